//! Serving: the listener, the keeper's ticks, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use wardkeep_app::pace::{Limits, Rate};
use wardkeep_app::{App, Entropy};
use wardkeep_web::server::Times;
use wardkeep_web::{Settings, Web};

use crate::backups;
use crate::cli::Serve;
use crate::home::Home;
use crate::house::{self, House, SystemClock};
use crate::out::{Failure, Out};
use crate::sign_on;
use crate::witnesses;

const TICK: Duration = Duration::from_secs(1);

pub(crate) async fn run(home: &Home, options: &Serve, out: &Out) -> Result<(), Failure> {
    let settings = settings(home, options)?;
    let listener = listen(options.listen).await?;
    let house = house::open_to_serve(home).await?;
    house.app.set_pace(pace(options));
    house.app.set_idle_ms(idle_ms(options));
    let setup = house.app.issue_setup(&house.visit()).await.ok();
    let origin = settings.origin.clone();
    serve(home, house, listener, settings, |address| {
        let link = setup.map(|token| format!("{origin}/setup/{token}"));
        let mut text = format!("Wardkeep serves {origin} (listening on {address}). Ctrl-C ends it.");
        if let Some(link) = &link {
            text.push_str(&format!("\n\nThere is no administrator yet. This link works once, for 10 minutes:\n  {link}"));
        }
        out.done(&text, &json!({"origin": origin, "listen": address.to_string(), "setup_link": link}));
    })
    .await
}

/// How fast one person may work.
pub(crate) fn pace(options: &Serve) -> Limits {
    Limits {
        charts: Rate::per_minute(options.charts_per_minute),
        searches: Rate::per_minute(options.searches_per_minute),
        exports: Rate::per_minute(options.exports_per_minute),
    }
}

/// How long a session of staff lasts without a request.
pub(crate) fn idle_ms(options: &Serve) -> i64 {
    i64::from(options.idle_minutes) * 60_000
}

/// Plain HTTP is for the own machine alone; everybody else comes through TLS.
pub(crate) fn settings(home: &Home, options: &Serve) -> Result<Settings, Failure> {
    let origin = options.origin.clone().unwrap_or_else(|| format!("http://{}", options.listen));
    let origin = origin.trim_end_matches('/').to_owned();
    let secure = origin.starts_with("https://");
    if !secure && !options.listen.ip().is_loopback() {
        let fix = "listen on 127.0.0.1, or put a TLS proxy in front and name it with --origin https://…";
        return Err(Failure::new(2, format!("{} would carry patient data unencrypted over the network: {fix}", options.listen)));
    }
    let sign_on = home.sign_on.as_ref().map(|agreed| sign_on::provider(&home.data, agreed, &origin)).transpose()?;
    Ok(Settings { origin, secure, sign_on, publish_log: options.publish_log })
}

/// Takes the address before a hospital is opened: when somebody else has it, nothing was touched.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let taken = |error| Failure::new(1, format!("{address} cannot be listened on: {error}; choose another address with --listen"));
    TcpListener::bind(address).await.map_err(taken)
}

/// Serves until the process is told to stop; then drains, signs the log and closes the stores.
pub(crate) async fn serve(
    home: &Home,
    house: House,
    listener: TcpListener,
    settings: Settings,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(|error| Failure::new(1, format!("the listener has no address: {error}")))?;
    let web = Web::new(house.app.clone(), Arc::new(SystemClock), house.entropy.clone(), settings);
    let router = wardkeep_web::router(web);
    panics_say_where_alone();
    let keeper = tokio::spawn(keep(house.app.clone(), house.entropy.clone()));
    let backups = tokio::spawn(backups::keep(home.clone(), house.app.clone(), house.entropy.clone()));
    let witnesses = tokio::spawn(witnesses::keep(house.app.clone(), house.entropy.clone()));
    ready(address);
    wardkeep_web::server::serve(listener, router, Times::default(), told_to_stop()).await;
    keeper.abort();
    backups.abort();
    witnesses.abort();
    house.close().await
}

/// A panic's message may hold whatever was being worked on: only its place in the code is logged.
fn panics_say_where_alone() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        tracing::error!(place, "a panic");
    }));
}

/// The keeper: seals and publishes the log every second.
async fn keep(app: App, entropy: Entropy) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = app.tick(&house::visit(&entropy)).await {
            tracing::error!(%error, "the log could not be sealed; trying again");
        }
    }
}

pub(crate) async fn told_to_stop() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
