//! Signing in: the password step, which is Argon2id by intention, and the one-time code.

use anyhow::{Context, Result, ensure};

use super::{Running, Session};
use crate::driver::{Bounds, Client, Measured, get, percentile, post_form};
use crate::machine;
use crate::report::Size;
use crate::seed::{Account, Seeded};
use crate::server::Server;

/// Signs everybody in, one after the other: each code counts once, so this is measured here.
pub(crate) async fn everybody(server: &Server, seeded: &Seeded, size: &mut Size) -> Result<(Vec<Session>, Session)> {
    let mut client = Client::connect(server.address).await?;
    let mut times = Times::default();
    let mut doctors = Vec::new();
    for account in &seeded.doctors {
        doctors.push(sign_in(&mut client, account.clone(), &mut times).await.with_context(|| account.email.clone())?);
    }
    let officer = sign_in(&mut client, seeded.officer.clone(), &mut times).await?;
    size.loads.push(one_by_one("sign-in: password step (Argon2id)", times.password));
    size.loads.push(one_by_one("sign-in: one-time code step", times.code));
    Ok((doctors, officer))
}

#[derive(Default)]
struct Times {
    password: Vec<f64>,
    code: Vec<f64>,
}

fn one_by_one(name: &str, mut times_ms: Vec<f64>) -> Measured {
    times_ms.sort_by(f64::total_cmp);
    let per_s = 1000.0 * times_ms.len() as f64 / times_ms.iter().sum::<f64>();
    let (p50_ms, p99_ms) = (percentile(&times_ms, 50), percentile(&times_ms, 99));
    Measured { name: name.to_owned(), clients: 1, requests: times_ms.len(), per_s, p50_ms, p99_ms, processor_ms: None }
}

async fn sign_in(client: &mut Client, mut account: Account, times: &mut Times) -> Result<Session> {
    let began = machine::now();
    let fields = [("email", account.email.as_str()), ("password", account.password.as_str())];
    let answer = client.exchange(post_form("/sign-in", "", &fields)?).await?;
    times.password.push(began.elapsed().as_secs_f64() * 1000.0);
    ensure!(answer.status == 303, "the password step answers {}", answer.status);
    let pending = answer.cookie("wardkeep-sign-in").context("no cookie of a sign-in in progress")?;
    let code = account.next_code().await?;
    let began = machine::now();
    let answer = client.exchange(post_form("/sign-in/code", &pending, &[("code", code.as_str())])?).await?;
    times.code.push(began.elapsed().as_secs_f64() * 1000.0);
    ensure!(answer.status == 303, "the code step answers {}", answer.status);
    let cookie = answer.cookie("wardkeep-session").context("no session cookie")?;
    let page = client.exchange(get("/", &cookie)?).await?;
    let text = page.text();
    let csrf = text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).context("no form token")?.to_owned();
    Ok(Session { cookie, csrf, patients: account.patients })
}

pub(crate) async fn run(running: &mut Running<'_>) -> Result<()> {
    running.load("sign-in page (no store)", 64, 200, "password", &|_, _| get("/sign-in", "")).await?;
    let accounts = &running.seeded.doctors;
    let password = |client: usize, _: u64| {
        let account = accounts.get(client % accounts.len()).context("no account")?;
        post_form("/sign-in", "", &[("email", account.email.as_str()), ("password", account.password.as_str())])
    };
    let bounds = Bounds { requests: 100, ..running.bounds };
    running.load_within(bounds, "sign-in: password step (Argon2id)", 8, 303, "", &password).await
}
