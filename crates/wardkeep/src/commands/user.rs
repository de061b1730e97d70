//! `wardkeep user …`, as the operator who holds data directory and key.

use serde_json::{Value, json};
use wardkeep_app::accounts::AccountView;

use crate::cli::User;
use crate::home::Home;
use crate::house::{self, House};
use crate::out::{Failure, Out};

pub(crate) async fn run(home: &Home, user: User, out: &Out) -> Result<(), Failure> {
    let house = house::open(home).await?;
    let done = act(&house, user).await;
    house.close().await?;
    let (text, value) = done?;
    out.done(&text, &value);
    Ok(())
}

async fn act(house: &House, user: User) -> Result<(String, Value), Failure> {
    let app = &house.app;
    let ctx = house.operator();
    match user {
        User::Invite { email, name, role, origin } => {
            let (id, token) = app.invite(&ctx, &email, &name, &role).await?;
            let link = format!("{}/invitation/{token}", origin.trim_end_matches('/'));
            let text = format!("{name} is invited. This link works once, for 7 days:\n  {link}");
            Ok((text, json!({"account": id.to_string(), "link": link})))
        }
        User::List => list(house).await,
        User::Suspend { email } => {
            let account = app.account_by_email(&ctx, &email).await?.account;
            app.suspend(&ctx, account.id).await?;
            Ok((
                format!("{email} is suspended, and its sessions have ended."),
                json!({"account": account.id.to_string(), "state": "suspended"}),
            ))
        }
        User::Reinstate { email } => {
            let account = app.account_by_email(&ctx, &email).await?.account;
            app.reinstate(&ctx, account.id).await?;
            Ok((format!("{email} may sign in again."), json!({"account": account.id.to_string(), "state": "active"})))
        }
        User::ResetFactor { email } => {
            let account = app.account_by_email(&ctx, &email).await?.account;
            app.reset_factor(&ctx, account.id).await?;
            let text = format!("The second factor of {email} is removed. A new one is set up at the next sign-in.");
            Ok((text, json!({"account": account.id.to_string(), "factor": "reset"})))
        }
    }
}

async fn list(house: &House) -> Result<(String, Value), Failure> {
    let mut views: Vec<AccountView> = Vec::new();
    let mut after = None;
    loop {
        let page = house.app.accounts(&house.operator(), None, None, after).await?;
        views.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut text = format!("{:<36} {:<16} {:<10} {:<7} NAME\n", "EMAIL", "ROLE", "STATE", "FACTOR");
    for view in &views {
        let account = &view.account;
        let factor = if view.has_second_factor { "yes" } else { "no" };
        text.push_str(&format!(
            "{:<36} {:<16} {:<10} {factor:<7} {}\n",
            account.email.as_str(),
            account.role.code(),
            account.state.code(),
            account.display_name
        ));
    }
    let rows: Vec<Value> = views
        .iter()
        .map(|view| {
            let account = &view.account;
            json!({
                "id": account.id.to_string(),
                "email": account.email.as_str(),
                "name": account.display_name,
                "role": account.role.code(),
                "state": account.state.code(),
                "second_factor": view.has_second_factor,
                "last_sign_in": view.last_sign_in.map(|at| at.rfc3339()),
            })
        })
        .collect();
    Ok((text, json!({ "accounts": rows })))
}
