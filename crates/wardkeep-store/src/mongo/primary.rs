//! What a freshly elected primary must do before it is believed.
//!
//! Every member that can be elected holds what was acknowledged, but the majority-committed view of
//! a new primary does not show all of it until something of its own term is committed. So nothing
//! is read from a primary until it has answered one linearizable read, which waits for just that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mongodb::bson::{Document as Row, doc};
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{FindOneOptions, ReadConcern};

use super::error::Fail;
use super::place::{FRESH_TIME, Place, within};
use super::schema::{HOUSE, SEQUENCE};

/// Counts the elections that the driver has heard of, and those whose winner has caught up.
#[derive(Default)]
pub(crate) struct Elections {
    heard: AtomicU64,
    settled: AtomicU64,
}

impl Elections {
    /// What the driver tells of the set's members goes here.
    pub(crate) fn follow(elections: Arc<Self>) -> EventHandler<SdamEvent> {
        EventHandler::callback(move |event| {
            if let SdamEvent::TopologyDescriptionChanged(change) = event
                && change.new_description.max_election_id() != change.previous_description.max_election_id()
            {
                elections.heard.fetch_add(1, Ordering::SeqCst);
            }
        })
    }
}

/// A read that shows everything that was acknowledged before it began: from a primary that has
/// caught up, and that was not replaced while it answered. An answer that takes long is asked for
/// again: a primary that hung may give it after another one was elected.
pub(crate) async fn fresh<T, F: Future<Output = Result<T, Fail>>>(place: &Place, operation: impl Fn() -> F) -> Result<T, Fail> {
    let elections = &place.elections;
    loop {
        let heard = elections.heard.load(Ordering::SeqCst);
        let done = within(FRESH_TIME, async {
            settle(place).await?;
            operation().await
        });
        match done.await {
            Err(Fail::Slow) => tracing::debug!("no answer yet; asking again"),
            done if elections.heard.load(Ordering::SeqCst) == heard => return done,
            _ => tracing::debug!("another primary was elected meanwhile; asking again"),
        }
    }
}

/// Waits until the winner of the last election has caught up. Through a router the members are out
/// of sight, and this waits only once.
pub(crate) async fn settle(place: &Place) -> Result<(), Fail> {
    let heard = place.elections.heard.load(Ordering::SeqCst);
    if place.elections.settled.load(Ordering::SeqCst) >= heard {
        return Ok(());
    }
    let mut options = FindOneOptions::default();
    options.read_concern = Some(ReadConcern::linearizable());
    place.database.collection::<Row>(HOUSE).find_one(doc! { "_id": SEQUENCE }).with_options(options).await?;
    place.elections.settled.fetch_max(heard, Ordering::SeqCst);
    Ok(())
}
