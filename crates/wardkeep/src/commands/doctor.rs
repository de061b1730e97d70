//! `wardkeep doctor`: the posture table on the command line.

use serde_json::{Value, json};
use wardkeep_app::posture::Health;

use crate::home::Home;
use crate::house;
use crate::out::{Failure, Out};

pub(crate) async fn run(home: &Home, out: &Out) -> Result<(), Failure> {
    let house = house::open(home).await?;
    let lines = house.app.posture(&house.operator()).await;
    house.close().await?;
    let lines = lines?;
    let mut text = String::new();
    for line in &lines {
        let mark = match line.health {
            Health::Ok => "ok     ",
            Health::Warning => "WARNING",
            Health::Failing => "FAILING",
        };
        text.push_str(&format!("{mark}  {}: {}\n", line.what, line.words));
        if line.health != Health::Ok {
            text.push_str(&format!("         {}\n", line.fix));
        }
    }
    let code = |health| match health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Failing => "failing",
    };
    let value: Vec<Value> =
        lines.iter().map(|line| json!({"what": line.what, "health": code(line.health), "words": line.words, "fix": line.fix})).collect();
    let value = json!({ "lines": value });
    if lines.iter().any(|line| line.health == Health::Failing) {
        return Err(Failure { code: 1, message: format!("something needs to be put right\n{text}"), details: value });
    }
    out.done(&text, &value);
    Ok(())
}
