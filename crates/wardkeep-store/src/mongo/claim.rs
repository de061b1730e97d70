//! Which run writes the streams of a node. Nothing rests on it: a second writer is stopped by the
//! head's compare-and-set. A claim tells the second one so before it has moved anything.

use std::time::Duration;

use mongodb::bson::{Document as Row, doc};
use tokio::task::JoinHandle;

use super::error::Fail;
use super::place::{Place, in_time};
use super::rows::bin;
use super::schema::CLAIM;
use crate::contract::StoreError;

/// A claim that was not renewed for so long has lapsed. Times are the server's own.
const LAPSES_MS: i64 = 10_000;
const RENEW: Duration = Duration::from_secs(3);
/// Longest wait for the claim of a run that ended without letting go.
const TRIES: u32 = 24;
const PAUSE: Duration = Duration::from_millis(500);
const DOING: &str = "claiming the node's streams";

/// Held while a run writes the streams of a node; let go with [`Claim::release`], or it lapses.
pub struct Claim {
    place: Place,
    node: String,
    run: [u8; 16],
    renewing: JoinHandle<()>,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claim({})", self.node)
    }
}

impl Claim {
    /// Claims the streams of `node` for this run, a random id.
    ///
    /// # Errors
    /// `Locked` while another run holds the claim.
    pub(crate) async fn take(place: Place, node: &str, run: [u8; 16]) -> Result<Self, StoreError> {
        let mut seen = None;
        for _ in 0..TRIES {
            let taken = in_time(take(&place, node, run)).await.map_err(|fail| fail.at(&place.name, DOING))?;
            if taken {
                let renewing = tokio::spawn(renew(place.clone(), node.to_owned(), run));
                return Ok(Self { place, node: node.to_owned(), run, renewing });
            }
            let renewed = in_time(renewed(&place, node)).await.map_err(|fail| fail.at(&place.name, DOING))?;
            match seen {
                None => tracing::warn!(place = place.name, node, "another run holds this node's name; looking whether it is alive"),
                // It renews its claim, so waiting longer is of no use.
                Some(_) if seen != renewed => break,
                Some(_) => {}
            }
            seen = renewed;
            tokio::time::sleep(PAUSE).await;
        }
        Err(StoreError::Claimed { place: place.name, node: node.to_owned() })
    }

    /// Lets the next run begin at once.
    pub async fn release(self) {
        self.renewing.abort();
        let claims = self.place.database.collection::<Row>(CLAIM);
        let gone = in_time(async { Ok(claims.delete_one(doc! { "_id": &self.node, "run": bin(&self.run) }).await?) }).await;
        if let Err(error) = gone {
            tracing::warn!(?error, "the claim on this node's name lapses by itself");
        }
    }
}

async fn take(place: &Place, node: &str, run: [u8; 16]) -> Result<bool, Fail> {
    let claims = place.database.collection::<Row>(CLAIM);
    let ours = || vec![doc! { "$set": { "run": bin(&run), "at": "$$NOW" } }];
    let lapsed = doc! { "$expr": { "$lt": ["$at", { "$subtract": ["$$NOW", LAPSES_MS] }] } };
    let again = doc! { "_id": node, "$or": [{ "run": bin(&run) }, lapsed] };
    if claims.update_one(again, ours()).await?.matched_count > 0 {
        return Ok(true);
    }
    // The first claim of this name; one that another run holds has the `_id` already.
    match claims.update_one(doc! { "_id": node, "run": bin(&run) }, ours()).upsert(true).await.map_err(Fail::from) {
        Ok(_) => Ok(true),
        Err(fail) if fail.is_duplicate() => Ok(false),
        Err(fail) => Err(fail),
    }
}

/// When the claim was last renewed.
async fn renewed(place: &Place, node: &str) -> Result<Option<i64>, Fail> {
    let row = place.database.collection::<Row>(CLAIM).find_one(doc! { "_id": node }).await?;
    Ok(row.and_then(|row| row.get_datetime("at").ok().map(|at| at.timestamp_millis())))
}

async fn renew(place: Place, node: String, run: [u8; 16]) {
    loop {
        tokio::time::sleep(RENEW).await;
        match in_time(take(&place, &node, run)).await {
            Ok(true) => {}
            Ok(false) => tracing::error!(node, "another run has claimed this node's name; one of the two will stop writing"),
            Err(error) => tracing::debug!(?error, "the claim could not be renewed"),
        }
    }
}
