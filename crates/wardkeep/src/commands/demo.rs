//! `wardkeep demo`: a throw-away hospital, made once, served at once.

use std::path::Path;

use serde_json::{Value, json};
use wardkeep_app::demo;
use wardkeep_app::hospital::Paths;

use crate::cli::Demo;
use crate::home::Home;
use crate::house::{self, House};
use crate::out::{Failure, Out, Progress};
use crate::serve;

pub(crate) async fn run(home: &Home, options: &Demo, out: &Out) -> Result<(), Failure> {
    let settings = serve::settings(home, &options.serve)?;
    let listener = if options.no_serve { None } else { Some(serve::listen(options.serve.listen).await?) };
    let data = &home.data;
    let house = if home.exists() { house::open_to_serve(home).await? } else { make(home, options, out).await? };
    if !house.app.hospital().demo {
        house.close().await?;
        return Err(Failure::new(3, format!("{} holds a real hospital: the demo leaves it alone; name another --data", data.display())));
    }
    house.app.set_pace(serve::pace(&options.serve));
    house.app.set_idle_ms(serve::idle_ms(&options.serve));
    let (text, accounts) = accounts(&house).await?;
    let Some(listener) = listener else {
        out.done(&text, &json!({ "accounts": accounts }));
        return house.close().await;
    };
    let origin = settings.origin.clone();
    serve::serve(home, house, listener, settings, |_| {
        out.done(&format!("{text}\nOpen {origin}   (Ctrl-C ends it)"), &json!({"origin": origin, "accounts": accounts}));
    })
    .await
}

/// Fills a directory of another name first: one that was cut off never looks like a hospital.
async fn make(home: &Home, options: &Demo, out: &Out) -> Result<House, Failure> {
    let data = &home.data;
    let mut part = data.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    if std::fs::read_dir(data).map_or(data.exists(), |mut entries| entries.next().is_some()) {
        return Err(Failure::new(3, format!("{} holds something that is no demo: it is left alone; name another --data", data.display())));
    }
    clear(part)?;
    let house = house::create(&home.beside(part), "Northgate General Hospital", true).await?;
    let progress = Progress::new("Inventing a hospital", *out);
    let filled = house.app.fill_demo(&house.visit(), options.patients, &|done, of| progress.at(done, of)).await;
    progress.end();
    house.close().await?;
    filled?;
    std::fs::rename(part, data).map_err(|error| Failure::new(7, format!("{} cannot be made: {error}", data.display())))?;
    house::open(home).await
}

/// Removes what a demo that was cut off left behind, and nothing else.
fn clear(part: &Path) -> Result<(), Failure> {
    if !part.exists() {
        return Ok(());
    }
    let lock = Paths::new(part).control().with_extension("db.lock");
    if std::fs::File::open(lock).is_ok_and(|lock| lock.try_lock().is_err()) {
        return Err(Failure::new(
            6,
            format!("another “wardkeep demo” is making {} just now: wait for it, or end it first", part.display()),
        ));
    }
    let ours = Paths::new(part).root_key().exists() || std::fs::read_dir(part).is_ok_and(|mut entries| entries.next().is_none());
    if !ours {
        return Err(Failure::new(3, format!("{} holds something that is no demo: move it away, or name another --data", part.display())));
    }
    std::fs::remove_dir_all(part).map_err(|error| Failure::new(7, format!("{} cannot be cleared: {error}", part.display())))
}

async fn accounts(house: &House) -> Result<(String, Vec<Value>), Failure> {
    let mut text = String::from("A throw-away hospital: everything in it is invented. Accounts and their codes of this half minute:\n\n");
    text.push_str(&format!("  {:<19} {:<32} {:<34} CODE\n", "ROLE", "EMAIL", "PASSWORD"));
    let mut values = Vec::new();
    for account in demo::accounts() {
        let code = house.app.demo_code(&house.visit(), &account.email).await?;
        text.push_str(&format!("  {:<19} {:<32} {:<34} {code}\n", account.role, account.email, account.password));
        values
            .push(json!({"role": account.role, "name": account.name, "email": account.email, "password": account.password, "code": code}));
    }
    Ok((text, values))
}
