//! The stored log: leaves, tiles, root, what other streams knew of it, and its events.

use std::collections::BTreeSet;

use wardkeep_ledger::tree::leaf_hash;
use wardkeep_ledger::{Edge, Head, Leaf, StreamId};
use wardkeep_store::DocId;

use super::{BATCH, RecordsReport, Said};
use crate::act::Side;
use crate::{App, Result, kinds};

impl App {
    /// The stored leaves must give the stored tiles, the stored root, and every head that another
    /// stream logged of this one.
    pub(super) async fn check_log(&self, side: Side, peers: &[(String, Head)], report: &mut RecordsReport) -> Result<()> {
        let own = self.stream(side)?;
        let streams = self.store(side).streams().await?;
        if !streams.contains(&own) {
            report.find_in("log-edited", side, "the log is gone");
        }
        for stream in streams {
            let known: Vec<Head> = peers.iter().filter(|(name, _)| *name == stream.as_str()).map(|(_, head)| *head).collect();
            if let Err(words) = self.check_stream(side, &stream, &known).await? {
                report.find_in("log-edited", side, words);
            }
        }
        Ok(())
    }

    async fn check_stream(&self, side: Side, stream: &StreamId, known: &[Head]) -> Result<Result<(), &'static str>> {
        let Some(head) = self.store(side).head(stream).await? else { return Ok(Ok(())) };
        if known.iter().any(|known| known.size > head.size) {
            return Ok(Err("the other store's log knows more entries of this one: it was rolled back"));
        }
        let stops: BTreeSet<u64> = known.iter().map(|known| known.size).chain([head.size]).collect();
        let mut edge = Edge::new();
        for stop in stops {
            while edge.size() < stop {
                let want = usize::try_from(stop - edge.size()).unwrap_or(BATCH).min(BATCH);
                let entries = self.store(side).entries(stream, edge.size(), want).await?;
                let sound = !entries.is_empty() && entries.iter().zip(edge.size()..).all(|(entry, index)| entry.index == index);
                if !sound {
                    return Ok(Err("entries of the log are missing"));
                }
                let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(&entry.leaf)).collect();
                for (tile, hashes) in edge.append(&hashes) {
                    // One that is not full yet may have grown by the time it is read.
                    if self.store(side).tile(stream, tile).await?.is_none_or(|stored| !stored.starts_with(&hashes)) {
                        return Ok(Err("a tile of the log is not what its entries give"));
                    }
                }
            }
            if known.iter().any(|known| known.size == stop && *known != edge.head()) {
                return Ok(Err("the other store's log knows other entries of this one: it was forked"));
            }
        }
        Ok(if edge.head() == head { Ok(()) } else { Err("the log's entries do not give its root") })
    }

    pub(super) async fn check_entries_have_events(&self, side: Side, said: &Said, report: &mut RecordsReport) -> Result<()> {
        for stream in self.store(side).streams().await? {
            let mut from = 0;
            loop {
                let entries = self.store(side).entries(&stream, from, BATCH).await?;
                let Some(last) = entries.last() else { break };
                from = last.index + 1;
                for entry in &entries {
                    let event = Leaf::decode(&entry.leaf).map(|leaf| leaf.event.0).unwrap_or_default();
                    // Events after the walk began are not in the set; ask the store for them.
                    if !said.events.contains_key(&event) && self.store(side).get(kinds::EVENT, DocId(event)).await?.is_none() {
                        report.find("event-missing", side, kinds::EVENT, &event, "the log entry's clear event is gone");
                    }
                }
            }
        }
        Ok(())
    }
}
