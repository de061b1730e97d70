//! Documents and files against what the events say was written.

use std::collections::{HashMap, HashSet};

use wardkeep_store::{DocId, Document, Kind, Seq};

use super::{BATCH, Name, RecordsReport, Said};
use crate::act::Side;
use crate::clear::beside;
use crate::stroke::import::Progress;
use crate::{App, Result, kinds};

impl App {
    pub(super) async fn check_documents(&self, side: Side, said: &Said, report: &mut RecordsReport, progress: Progress<'_>) -> Result<()> {
        let mut seen: HashMap<Name, usize> = HashMap::new();
        let mut after = Seq(0);
        loop {
            let documents = self.store(side).changed_since(None, after, BATCH).await?;
            let terms = self.store(side).inspection().beside(after, BATCH).await?;
            let Some(last) = documents.last() else { break };
            after = last.seq;
            for (document, terms) in documents.iter().zip(&terms) {
                let found = beside(document.owner, &terms.terms, &terms.unique);
                let found = if terms.seq == document.seq { found } else { [0; 16] };
                if document.kind == kinds::EVENT {
                    // Events after the walk began are not in the set.
                    if said.events.get(&document.id.0).is_some_and(|wanted| *wanted != found) {
                        terms_edited(side, document, report);
                    }
                    continue;
                }
                report.documents += 1;
                *seen.entry((document.kind.0, document.id.0)).or_default() += 1;
                check_document(side, said, document, &found, report);
            }
            progress(report.events + report.documents, 0);
        }
        for (name, versions) in said.written.iter().filter(|(name, _)| name.0 != kinds::BLOB.0) {
            match seen.get(name) {
                None => report.find("deleted", side, Kind(name.0), &name.1, "the document is gone"),
                Some(count) if *count < versions.len() => {
                    report.find("rolled-back", side, Kind(name.0), &name.1, "versions that were logged are gone")
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    pub(super) async fn check_blobs(&self, side: Side, said: &Said, report: &mut RecordsReport) -> Result<()> {
        let mut after = None;
        let mut present = HashSet::new();
        loop {
            let ids = self.store(side).blobs(after, BATCH).await?;
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            for id in ids {
                present.insert(id.0);
                report.blobs += 1;
                let digest = self.blob_digest(side, id).await?;
                match said.written.get(&(kinds::BLOB.0, id.0)).and_then(|versions| versions.get(&1)) {
                    Some(logged) if logged.digest == digest => {}
                    Some(_) => {
                        report.find("blob-damaged", side, kinds::BLOB, &id.0, "the file's sealed bytes are not those that were logged")
                    }
                    None => report.find("unlogged", side, kinds::BLOB, &id.0, "no event says that this file was filed"),
                }
            }
        }
        for (_, id) in said.written.keys().filter(|name| name.0 == kinds::BLOB.0) {
            if !present.contains(id) {
                report.find("deleted", side, kinds::BLOB, id, "the file is gone");
            }
        }
        Ok(())
    }

    /// SHA-256 over all sealed bytes of a blob, read segment by segment.
    pub(crate) async fn blob_digest(&self, side: Side, id: DocId) -> Result<[u8; 32]> {
        let mut all = wardkeep_vault::vault::Digest::new();
        let mut segment = 0;
        while let Some(bytes) = self.store(side).blob_read(id, segment).await? {
            all.update(&bytes);
            segment += 1;
        }
        Ok(all.finish())
    }
}

fn check_document(side: Side, said: &Said, document: &Document, found: &[u8; 16], report: &mut RecordsReport) {
    let (kind, id) = (document.kind, &document.id.0);
    let Some(written) = said.written.get(&(kind.0, *id)).and_then(|versions| versions.get(&document.version.0)) else {
        // Without the patient's key nothing can be said; that is a finding of its own.
        if !said.locked.contains(&document.owner.0) || said.erased_keys.contains(&document.owner.0) {
            report.find("unlogged", side, kind, id, "no event says that this version was written");
        }
        return;
    };
    if written.digest != wardkeep_vault::vault::digest(&document.sealed) {
        report.find("edited", side, kind, id, "the sealed bytes are not those that were logged");
    }
    if written.beside != *found {
        terms_edited(side, document, report);
    }
    if written.seq != document.seq.0 {
        report.find("reordered", side, kind, id, "the document does not stand where its event wrote it");
    }
}

fn terms_edited(side: Side, document: &Document, report: &mut RecordsReport) {
    report.find("terms-edited", side, document.kind, &document.id.0, "whose it is, or what finds it, is not what was logged");
}
