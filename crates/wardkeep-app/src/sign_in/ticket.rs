//! The question of a ceremony between asking and answer, sealed and handed to the browser.
//!
//! A stranger can ask for a challenge as often as they like, so nothing is stored (and nothing
//! logged) until somebody answers. The seal keeps the state from being read or changed; the commit
//! that takes the answer, right or wrong, writes the ticket's number down, and no number is taken
//! twice.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wardkeep_domain::SessionId;
use wardkeep_domain::account::session::PENDING_MS_MAX;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::EventId;
use wardkeep_store::DocId;
use wardkeep_vault::Purpose;

use crate::act::Act;
use crate::envelope::{Envelope, context};
use crate::{App, Error, Result, Visit, kinds};

/// Who may answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Holder {
    /// Whoever has the ticket's cookie.
    Visitor,
    /// A sign-in in progress.
    Pending([u8; 16]),
    Session(SessionId),
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    holder: Holder,
    asked_at: Moment,
    state: T,
}

/// A ticket that was not used yet.
pub(crate) struct Ticket<T> {
    id: DocId,
    pub state: T,
}

/// A used ticket as stored.
#[derive(Serialize, Deserialize)]
struct Used {
    at: Moment,
}

/// Version 1 is the stored note that the ticket is used; the ticket itself is sealed as version 0.
const TICKET: u64 = 0;

fn over() -> Error {
    Error::Refused("This took too long, or was answered already. Try again.".to_owned())
}

impl App {
    pub(crate) fn new_ticket<T: Serialize>(&self, visit: &Visit, holder: Holder, state: T) -> Result<String> {
        let id = DocId(visit.entropy.bytes());
        let sealed = Sealed { holder, asked_at: visit.now, state };
        let sealed =
            self.seal_own_doc(visit, kinds::CONTROL, Purpose::Credentials, kinds::TICKET, id, TICKET, EventId([0; 16]), &sealed)?;
        Ok(URL_SAFE_NO_PAD.encode([&id.0[..], &sealed].concat()))
    }

    /// # Errors
    /// `Refused` when it is no ticket of this holder, is too old or was used.
    pub(crate) async fn ticket<T: DeserializeOwned>(&self, visit: &Visit, holder: Holder, text: &str) -> Result<Ticket<T>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| over())?;
        let (id, sealed) = bytes.split_first_chunk::<16>().ok_or_else(over)?;
        let id = DocId(*id);
        let context = context(kinds::CONTROL, kinds::TICKET, id, TICKET);
        let plain = self.vault.open_own(Purpose::Credentials, &context, sealed).map_err(|_| over())?;
        let opened: Envelope<Sealed<T>> = serde_json::from_slice(&plain).map_err(|_| over())?;
        let age_ms = visit.now.since_ms(opened.body.asked_at);
        if opened.body.holder != holder || age_ms >= PENDING_MS_MAX || self.control.get(kinds::TICKET, id).await?.is_some() {
            return Err(over());
        }
        Ok(Ticket { id, state: opened.body.state })
    }

    /// Uses the ticket up, in the commit of what it was used for.
    pub(crate) fn use_ticket<T>(&self, act: &mut Act<'_>, ticket: &Ticket<T>, now: Moment) -> Result<()> {
        self.use_number(act, ticket.id, now)
    }

    /// Writes down that what has this number was used: a second commit with it fails.
    pub(crate) fn use_number(&self, act: &mut Act<'_>, number: DocId, now: Moment) -> Result<()> {
        act.put_own(Purpose::Credentials, kinds::TICKET, number, 1, &Used { at: now }, Vec::new(), Vec::new())
    }
}
