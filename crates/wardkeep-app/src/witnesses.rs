//! Witnesses: others who see the newest checkpoint of every stream and cosign it. One that knows more than
//! the store, or something else, shows a rollback or a fork (C2SP tlog-witness v1.0.0).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::witness::{Request, WitnessKey};
use wardkeep_ledger::{Checkpoint, Class, Head, Outcome, StreamId};
use wardkeep_policy::{Action, Resource};

use crate::act::{Act, Side};
use crate::audit::INTEGRITY;
use crate::keeper::write_files;
use crate::posture::Line;
use crate::{App, Error, Result, Visit, tiles};

/// Name of the job in the log.
const JOB: &str = "witnesses";
/// A log that a witness has not seen for so long raises an alarm.
pub const UNSEEN_MS: i64 = 15 * 60 * 1000;
/// The newest checkpoint of a stream that was cosigned, beside its published one.
const FILE: &str = "witnessed";
/// One that names another size each time is asked no more often.
const TRIES: usize = 3;

/// The one call of the protocol: status and body of the answer.
#[async_trait]
pub trait AddCheckpoint: Send + Sync {
    /// # Errors
    /// In words, when there was no answer.
    async fn add_checkpoint(&self, body: String) -> std::result::Result<(u16, String), String>;
}

/// A witness: the key of its cosignatures, and how it is reached.
pub struct Witness {
    key: WitnessKey,
    to: Arc<dyn AddCheckpoint>,
    /// What it cosigned in this run, so that most rounds take one call.
    sizes: Mutex<HashMap<StreamId, u64>>,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Witness({})", self.key.name())
    }
}

impl Witness {
    #[must_use]
    pub fn new(key: WitnessKey, to: Arc<dyn AddCheckpoint>) -> Self {
        Self { key, to, sizes: Mutex::default() }
    }
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.name()
    }
    fn size(&self, stream: &StreamId) -> u64 {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).get(stream).copied().unwrap_or(0)
    }
    fn saw(&self, stream: &StreamId, size: u64) {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.clone(), size);
    }
}

/// What a witness said to all streams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    Cosigned,
    /// It gave no answer that can be used; why, in words.
    Nothing(String),
    /// It cosigned what this store does not hold.
    Otherwise(String),
}

/// The same for one of them.
enum Seen {
    Cosigned(String),
    /// More entries than in the checkpoint that it was shown.
    Ahead(u64),
    Fork(u64),
    Nothing(String),
}

impl App {
    /// Whom the checkpoints of this process are shown to.
    pub fn expect_witnesses(&self, witnesses: Vec<Witness>) {
        let _ = self.witnesses.set(witnesses);
    }

    pub fn witnesses(&self) -> &[Witness] {
        self.witnesses.get().map_or(&[], Vec::as_slice)
    }

    /// Before anything is written: does a witness know a newer log, or another one? One that gives no
    /// answer keeps nobody from working.
    ///
    /// # Errors
    /// `Unavailable`: rollback or fork, with both heads.
    pub(crate) async fn ask_witnesses(&self) -> Result<()> {
        for (witness, said) in self.witnesses().iter().zip(self.show_witnesses().await?) {
            match said {
                Said::Cosigned => {}
                Said::Nothing(cause) => tracing::warn!(witness = witness.name(), cause, "a witness gives no answer"),
                Said::Otherwise(words) => {
                    let fix = "Do not go on with these stores: compare them with the newest backup. After a restore from a backup, whoever runs the witness has it forget this log (docs/witness.md)";
                    return Err(Error::Unavailable(format!("{words}: rollback or fork. {fix}")));
                }
            }
        }
        Ok(())
    }

    /// Shows the newest stored checkpoint of every stream to every witness, and keeps what they cosigned
    /// beside the published log. An answer for each witness, in their order.
    ///
    /// # Errors
    /// `Unavailable`, `Integrity`.
    pub async fn show_witnesses(&self) -> Result<Vec<Said>> {
        let mut said = vec![Said::Cosigned; self.witnesses().len()];
        if said.is_empty() {
            return Ok(said);
        }
        for side in Side::BOTH {
            for stream in self.store(side).streams().await? {
                self.show_stream(side, &stream, &mut said).await?;
            }
        }
        Ok(said)
    }

    async fn show_stream(&self, side: Side, stream: &StreamId, said: &mut [Said]) -> Result<()> {
        // Another node may have shown a newer one in between: then the newest is taken once more.
        for newest in [false, true] {
            let Some(note) = self.store(side).checkpoint(stream).await? else { return Ok(()) };
            let head = Checkpoint::verify(&note, &self.signer.verifying_key()).map_err(|_| Error::Integrity)?.head;
            let (mut lines, mut ahead) = (String::new(), false);
            for (witness, said) in self.witnesses().iter().zip(said.iter_mut()).filter(|(_, said)| **said == Said::Cosigned) {
                let ours = || format!("here {} has {} entries with the root {}", stream.as_str(), head.size, hex::encode(head.root));
                match self.show_one(side, stream, &note, &head, witness).await? {
                    Seen::Cosigned(line) => lines.push_str(&line),
                    Seen::Ahead(_) if !newest => ahead = true,
                    Seen::Ahead(size) => {
                        *said = Said::Otherwise(format!(
                            "the witness {} saw {size} entries of {}, and {}",
                            witness.name(),
                            stream.as_str(),
                            ours()
                        ));
                    }
                    Seen::Fork(size) => {
                        let seen =
                            format!("the witness {} saw other entries among the first {size} of {}", witness.name(), stream.as_str());
                        *said = Said::Otherwise(format!("{seen}, and {}", ours()));
                    }
                    Seen::Nothing(cause) => *said = Said::Nothing(cause),
                }
            }
            if ahead {
                continue;
            }
            return self.keep_witnessed(stream, &note, &lines).await;
        }
        Ok(())
    }

    /// Shows one checkpoint to one witness. Its 409 names the size that it knows; a proof leads from there.
    async fn show_one(&self, side: Side, stream: &StreamId, note: &str, head: &Head, witness: &Witness) -> Result<Seen> {
        let mut old = witness.size(stream).min(head.size);
        for _ in 0..TRIES {
            let proof = tiles::consistency(self.store(side).as_ref(), stream, old, head.size).await?;
            let (status, body) = match witness.to.add_checkpoint(Request { old, proof, note }.to_text()).await {
                Ok(answer) => answer,
                Err(cause) => return Ok(Seen::Nothing(cause)),
            };
            match status {
                200 if witness.key.verify(&format!("{note}{body}")).is_ok() => {
                    witness.saw(stream, head.size);
                    return Ok(Seen::Cosigned(body));
                }
                200 => return Ok(Seen::Nothing("its cosignature does not hold: is it the key of that witness?".to_owned())),
                409 => match body.trim().parse() {
                    Ok(theirs) if theirs > head.size => return Ok(Seen::Ahead(theirs)),
                    Ok(theirs) if theirs == old && old == head.size => return Ok(Seen::Fork(old)),
                    Ok(theirs) if theirs != old => old = theirs,
                    _ => return Ok(Seen::Nothing("it refuses, and does not say which size it knows".to_owned())),
                },
                422 => return Ok(Seen::Fork(old)),
                403 | 404 => return Ok(Seen::Nothing("it does not know this log: give its operator the log's public key".to_owned())),
                status => return Ok(Seen::Nothing(format!("it answered with status {status}"))),
            }
        }
        Ok(Seen::Nothing("it names another size each time".to_owned()))
    }

    /// What was kept of a stream; `None` without a directory, or before anybody has seen it.
    pub(crate) async fn witnessed(&self, stream: &StreamId) -> Option<String> {
        let file = self.paths.as_ref()?.ledger().join(stream.as_str()).join(FILE);
        tokio::fs::read_to_string(file).await.ok()
    }

    async fn keep_witnessed(&self, stream: &StreamId, note: &str, lines: &str) -> Result<()> {
        let Some(paths) = self.paths.as_ref().filter(|_| !lines.is_empty()) else { return Ok(()) };
        write_files(paths.ledger().join(stream.as_str()), vec![(FILE.to_owned(), format!("{note}{lines}").into_bytes())]).await
    }

    /// Since when no witness of this name has cosigned: an alarm, once for each time that it lasts.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn note_unseen(&self, visit: &Visit, witness: &str, since: Moment, cause: &str) -> Result<()> {
        let words = format!(
            "The witness {witness} has cosigned nothing since {}: {cause}. A rollback since then would not show. Look whether it runs, and whether this machine reaches it.",
            since.staff()
        );
        let ctx = self.job(visit, JOB);
        let permit = self.permit(&ctx, Action::RunJob, Resource::Hospital).await?;
        let act = Act::by(self, Side::Control, &ctx, Class::JobRun).permit(&permit).outcome(Outcome::Failed);
        let act = act.detail("witness", witness).detail("reason", cause);
        self.raise_alarm(act, &[b"unseen", witness.as_bytes(), &since.0.to_be_bytes()], visit.now, "no witness", words).await
    }

    /// A witness knows another log than this one.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn note_otherwise(&self, visit: &Visit, witness: &str, words: &str) -> Result<()> {
        let ctx = self.job(visit, JOB);
        let permit = self.permit(&ctx, Action::RunJob, Resource::Hospital).await?;
        let act = Act::by(self, Side::Control, &ctx, Class::IntegrityAlarm).permit(&permit).outcome(Outcome::Failed);
        let act = act.detail("witness", witness).detail("reason", words);
        let told =
            format!("Rollback or fork: {words}. Stop the server, keep a copy of the stores, and compare them with the newest backup.");
        self.raise_alarm(act, &[b"otherwise", witness.as_bytes()], visit.now, INTEGRITY, told).await
    }

    /// When each witness saw the stream that it has not seen for the longest time.
    pub(crate) async fn witness_lines(&self, now: Moment) -> Result<Vec<Line>> {
        if self.witnesses().is_empty() {
            let fix = "Let somebody else run “wardkeep witness” on another machine (docs/witness.md).";
            return Ok(vec![Line::warning("Witnesses", "Nobody else sees this log: a rollback of all its files would not show.", fix)]);
        }
        let mut kept = Vec::new();
        for side in Side::BOTH {
            for stream in self.store(side).streams().await? {
                kept.push(self.witnessed(&stream).await.unwrap_or_default());
            }
        }
        let line = |witness: &Witness| {
            let what = format!("Witness {}", witness.name());
            let fix = "The server shows it the log every half minute: its output says what fails. Look whether the witness runs.";
            let oldest = kept.iter().map(|note| witness.key.verify(note).ok()).min().flatten();
            let Some(seen) = oldest.and_then(|s| i64::try_from(s).ok()?.checked_mul(1000)).map(Moment) else {
                return Line::failing(&what, "It has not cosigned all of this log yet.", fix);
            };
            let words = format!("It saw the whole log on {}.", seen.staff());
            if now.since_ms(seen) > UNSEEN_MS { Line::failing(&what, words, fix) } else { Line::ok(&what, words) }
        };
        Ok(self.witnesses().iter().map(line).collect())
    }
}
