//! `wardkeep witness …`: what whoever watches a hospital's log does.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use wardkeep_ledger::VerifyingKey;
use wardkeep_web::server::{self, Times};
use zeroize::Zeroizing;

use crate::cli;
use crate::house;
use crate::out::{Failure, Out};
use crate::serve;
use crate::witness::{Seen, Witness, router};

pub(crate) async fn run(dir: &Path, what: cli::Witness, out: &Out) -> Result<(), Failure> {
    let (text, value) = match what {
        cli::Witness::Init { name, log_key, url } => init(dir, &name, &log_key, &url)?,
        cli::Witness::Serve { listen } => return serve(dir, listen, out).await,
        cli::Witness::List => list(&Witness::open(dir)?)?,
        cli::Witness::Forget { origin } => forget(&Witness::open(dir)?, &origin)?,
    };
    out.done(&text, &value);
    Ok(())
}

type Told = (String, Value);

/// A key as text, or in a file of that name.
pub(crate) fn text_or_file(given: &str) -> Result<String, Failure> {
    if given.contains('+') && !Path::new(given).exists() {
        return Ok(given.to_owned());
    }
    std::fs::read_to_string(given).map_err(|error| Failure::new(4, format!("{given} cannot be read: {error}")))
}

fn init(dir: &Path, name: &str, logs: &[String], url: &str) -> Result<Told, Failure> {
    let known = |given: &String| {
        let words = format!("--log-key {given}: that is no public key of a log; it lies in the hospital's ledger/log.vkey");
        VerifyingKey::parse(&text_or_file(given)?).map_err(|_| Failure::new(3, words))
    };
    let logs = logs.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    let seed = Zeroizing::new(house::entropy()?.bytes::<32>());
    let key = Witness::create(dir, name, &seed, &logs)?.key();
    let text = format!(
        "A witness is made in {}. Start it:\n  wardkeep witness serve --data {}\n\n\
         Whoever runs the hospital adds this to its wardkeep.toml, and starts the server anew:\n\n\
         [[witness]]\nurl = \"{url}\"\nkey = \"{key}\"\n",
        dir.display(),
        dir.display()
    );
    Ok((text, json!({"data": dir, "name": name, "key": key, "url": url})))
}

async fn serve(dir: &Path, address: std::net::SocketAddr, out: &Out) -> Result<(), Failure> {
    let witness = Witness::open(dir)?;
    let listener: TcpListener = serve::listen(address).await?;
    let address = listener.local_addr().map_err(|error| Failure::new(1, format!("the listener has no address: {error}")))?;
    let logs: Vec<&str> = witness.logs().iter().map(VerifyingKey::name).collect();
    let key = witness.key();
    out.done(
        &format!("A witness of {} (listening on {address}). Ctrl-C ends it.\nIts key: {key}", logs.join(", ")),
        &json!({"listen": address.to_string(), "key": key, "logs": logs}),
    );
    server::serve(listener, router(Arc::new(witness)), Times::default(), serve::told_to_stop()).await;
    Ok(())
}

fn shape(seen: &Seen) -> Value {
    let head = seen.checkpoint.head;
    json!({"origin": seen.checkpoint.origin, "entries": head.size, "root": hex::encode(head.root), "cosigned": seen.cosigned.rfc3339()})
}

fn list(witness: &Witness) -> Result<Told, Failure> {
    let seen = witness.seen()?;
    let line = |seen: &Seen| {
        let Seen { checkpoint, cosigned } = seen;
        format!(
            "{}: {} entries, root {}, cosigned on {}\n",
            checkpoint.origin,
            checkpoint.head.size,
            hex::encode(checkpoint.head.root),
            cosigned.staff()
        )
    };
    let text = if seen.is_empty() { "It has cosigned nothing yet.".to_owned() } else { seen.iter().map(line).collect() };
    Ok((text, json!({"key": witness.key(), "seen": seen.iter().map(shape).collect::<Vec<_>>()})))
}

fn forget(witness: &Witness, origin: &str) -> Result<Told, Failure> {
    let seen = witness.forget(origin)?;
    let text = format!(
        "The next seal of {origin} may be any. What was known, {} entries with the root {}, is kept in aside/.",
        seen.checkpoint.head.size,
        hex::encode(seen.checkpoint.head.root)
    );
    Ok((text, json!({"aside": shape(&seen)})))
}
