//! Others who see this hospital's log: whom `wardkeep.toml` names, the calls to them, and the loop that
//! shows them the newest checkpoints.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use wardkeep_app::witnesses::{AddCheckpoint, Said, UNSEEN_MS, Witness};
use wardkeep_app::{App, Entropy, Result};
use wardkeep_domain::date::Moment;
use wardkeep_ledger::witness::WitnessKey;
use wardkeep_web::Clock;

use crate::home::{Home, Witness as Settings};
use crate::house::{self, SystemClock};
use crate::out::Failure;
use crate::outbound::{self, Outgoing};

/// Far below what raises an alarm.
const LOOK: Duration = Duration::from_secs(30);

/// The witnesses that the settings name.
pub(crate) fn of(home: &Home) -> std::result::Result<Vec<Witness>, Failure> {
    home.witnesses.iter().map(|set| one(home, set)).collect()
}

fn one(home: &Home, set: &Settings) -> std::result::Result<Witness, Failure> {
    let failed = |words: &str| Failure::new(3, format!("[[witness]] in {}: {words}", home.data.join("wardkeep.toml").display()));
    let key = WitnessKey::parse(&set.key).map_err(|_| failed("key: that is no witness's key; “wardkeep witness init” prints it"))?;
    let address = format!("{}/add-checkpoint", set.url.trim_end_matches('/'));
    let address: Uri = address.parse().map_err(|_| failed("url: that is no address"))?;
    let here = matches!(address.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if !(address.scheme_str() == Some("https") || address.scheme_str() == Some("http") && here) {
        return Err(failed("url: give the witness's https address; http is for one on this machine"));
    }
    let client = outbound::client(set.ca_file.as_ref().map(|file| home.data.join(file)).as_deref())?;
    Ok(Witness::new(key, Arc::new(Caller { client, address })))
}

struct Caller {
    client: Outgoing<Full<Bytes>>,
    address: Uri,
}

#[async_trait]
impl AddCheckpoint for Caller {
    async fn add_checkpoint(&self, body: String) -> std::result::Result<(u16, String), String> {
        let request = Request::post(&self.address).header(header::CONTENT_TYPE, "text/plain; charset=utf-8").body(Full::from(body));
        let (status, body) = outbound::ask(&self.client, request.map_err(|error| error.to_string())?).await?;
        Ok((status, String::from_utf8(body.to_vec()).map_err(|_| "an answer that is no text".to_owned())?))
    }
}

/// The server's part: every half minute each witness sees what is new.
pub(crate) async fn keep(app: App, entropy: Entropy) {
    let begun = SystemClock.now();
    let mut last: HashMap<String, Moment> = HashMap::new();
    while !app.witnesses().is_empty() {
        if let Err(error) = look(&app, &entropy, begun, &mut last).await {
            tracing::error!(%error, "witnesses could not be shown the log; trying again in half a minute");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(app: &App, entropy: &Entropy, begun: Moment, last: &mut HashMap<String, Moment>) -> Result<()> {
    let said = app.show_witnesses().await?;
    let visit = house::visit(entropy);
    for (witness, said) in app.witnesses().iter().zip(said) {
        let name = witness.name();
        match said {
            Said::Cosigned => {
                last.insert(name.to_owned(), visit.now);
            }
            Said::Nothing(cause) => {
                tracing::warn!(witness = name, cause, "a witness gives no answer");
                let since = last.get(name).copied().unwrap_or(begun);
                if visit.now.since_ms(since) > UNSEEN_MS {
                    app.note_unseen(&visit, name, since, &cause).await?;
                }
            }
            Said::Otherwise(words) => {
                tracing::error!(words, "a witness knows another log: rollback or fork");
                app.note_otherwise(&visit, name, &words).await?;
            }
        }
    }
    Ok(())
}
