//! `wardkeep init`.

use serde_json::json;

use crate::cli::Init;
use crate::home::Home;
use crate::house;
use crate::out::{Failure, Out};

pub(crate) async fn run(home: &Home, options: &Init, out: &Out) -> Result<(), Failure> {
    let house = house::create(home, &options.name, false).await?;
    let token = house.app.issue_setup(&house.visit()).await?;
    let key = house.app.log_key();
    house.close().await?;
    let data = &home.data;
    let link = format!("{}/setup/{token}", options.origin.trim_end_matches('/'));
    let shown = data.display();
    let text = format!(
        "{} is ready in {shown}.\n\n\
         1. Keep a copy of {shown}/root.key in a safe place: without it nobody can read the records.\n\
         2. Give the log's public key to somebody outside:\n     {key}\n\
         3. Start the server:  wardkeep serve --data {shown}\n\
         4. Open this link within 10 minutes; it makes the first administrator:\n     {link}",
        options.name
    );
    out.done(&text, &json!({"data": data, "setup_link": link, "log_key": key}));
    Ok(())
}
