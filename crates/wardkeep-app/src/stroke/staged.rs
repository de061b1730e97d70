//! The coordinator's file between its preview and its confirmation: sealed, for its uploader
//! alone, for an hour, used once. Its bytes are a staged blob, which no restart outlives.

use serde::{Deserialize, Serialize};
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, FieldError, FieldErrors};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Resource};
use wardkeep_store::contract::BLOB_SEGMENT_BYTES_MAX;
use wardkeep_store::{DocId, Document, Find, Owner};
use wardkeep_vault::vault::digest;
use wardkeep_vault::{Context, Plain, Purpose};

use super::import::ImportReport;
use crate::act::{Act, Side};
use crate::sessions::Token;
use crate::{App, Ctx, Error, Result, envelope, kinds};

/// Largest file in the browser; larger ones go through the command line.
const STAGED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a preview can be confirmed.
const STAGED_MS_MAX: i64 = 60 * 60 * 1000;
/// Files waiting at once that are looked at for cleaning up.
const STAGED_MAX: usize = 1000;

/// What is known of a waiting file.
#[derive(Serialize, Deserialize)]
struct Staged {
    hash: [u8; 32],
    uploader: AccountId,
    until: Moment,
    segments: u32,
    /// SHA-256 of the sealed bytes.
    digest: [u8; 32],
}

fn place(id: DocId) -> Context<'static> {
    Context { field: "content", ..envelope::context(kinds::RECORDS, kinds::IMPORT_FILE, id, 1) }
}

impl App {
    /// Keeps an uploaded file sealed until it is confirmed; gives its one-time token. A file that
    /// the same person uploaded before and did not confirm is dropped.
    ///
    /// # Errors
    /// `Denied`, `Invalid` on `file` when it is over 32 MiB.
    pub async fn stage_import(&self, ctx: &Ctx, bytes: &[u8]) -> Result<(String, ImportReport)> {
        let permit = self.permit(ctx, Action::ImportAssessments, Resource::Hospital).await?;
        if bytes.len() > STAGED_BYTES_MAX {
            let words = "This file is larger than 32 MiB. Split it, or import it on the command line.";
            return Err(Error::Invalid(FieldErrors(vec![FieldError::new("file", words)])));
        }
        let report = self.check_import(ctx, bytes).await?;
        let token = Token::new(ctx.visit());
        let plain = Plain::new(bytes.to_vec());
        let sealed = self.vault.seal_own(Purpose::Staff, &place(token.id), &plain, &mut |buffer| ctx.visit().entropy.fill(buffer));
        let mut segments = 0;
        for segment in sealed.chunks(BLOB_SEGMENT_BYTES_MAX) {
            self.records.blob_write(token.id, Owner::NONE, segments, segment.to_vec()).await?;
            segments += 1;
        }
        let staged = Staged {
            hash: token.hash,
            uploader: ctx.account_id(),
            until: ctx.now().plus_ms(STAGED_MS_MAX),
            segments,
            digest: digest(&sealed),
        };
        let mut act = Act::by(self, Side::Records, ctx, Class::Imported).permit(&permit).detail("step", "file uploaded for a preview");
        let dropped = self.drop_stale(ctx, &mut act).await?;
        act.put_own(Purpose::Staff, kinds::IMPORT_FILE, token.id, 1, &staged, Vec::new(), Vec::new())?;
        if let Err(error) = act.commit().await {
            self.records.blob_abandon(token.id).await?;
            return Err(error);
        }
        for id in dropped {
            self.records.blob_abandon(id).await?;
        }
        Ok((token.text, report))
    }

    /// Puts the end of files that ran out, and of the uploader's own, into a change.
    async fn drop_stale(&self, ctx: &Ctx, act: &mut Act<'_>) -> Result<Vec<DocId>> {
        let query = Find { kind: kinds::IMPORT_FILE, all_of: Vec::new(), before: None, since: None, limit: STAGED_MAX };
        let mut dropped = Vec::new();
        for document in self.records.find(&query).await? {
            let staged = self.staged(&document);
            if staged.is_ok_and(|staged| staged.uploader != ctx.account_id() && ctx.now() < staged.until) {
                continue;
            }
            act.erase(kinds::IMPORT_FILE, document.id);
            dropped.push(document.id);
        }
        Ok(dropped)
    }

    fn staged(&self, document: &Document) -> Result<Staged> {
        self.open_own_doc(kinds::RECORDS, Purpose::Staff, document).map(|opened| opened.body)
    }

    /// Imports a staged file. The file is used up by it, whatever comes of it.
    ///
    /// # Errors
    /// `NotFound` when the token is unknown, used, too old or somebody else's; as [`App::import`].
    pub async fn confirm_import(&self, ctx: &Ctx, token: &str, keep_good: bool) -> Result<ImportReport> {
        let permit = self.permit(ctx, Action::ImportAssessments, Resource::Hospital).await?;
        let token = Token::parse(token).ok_or(Error::NotFound)?;
        let document = self.records.get(kinds::IMPORT_FILE, token.id).await?.ok_or(Error::NotFound)?;
        let staged = self.staged(&document)?;
        if !token.matches(&staged.hash) || staged.uploader != ctx.account_id() || ctx.now() >= staged.until {
            return Err(Error::NotFound);
        }
        let mut act = Act::by(self, Side::Records, ctx, Class::Imported).permit(&permit).detail("step", "preview confirmed");
        // Two confirmations at once: the second one finds it gone.
        act.expect(kinds::IMPORT_FILE, token.id, document.version.0);
        act.erase(kinds::IMPORT_FILE, token.id);
        match act.commit().await {
            Err(Error::Conflict { .. }) => return Err(Error::NotFound),
            done => done?,
        };
        let mut sealed = Vec::new();
        for segment in 0..staged.segments {
            // Gone with a restart: upload it again.
            sealed.extend(self.records.blob_read(token.id, segment).await?.ok_or(Error::NotFound)?);
        }
        self.records.blob_abandon(token.id).await?;
        if digest(&sealed) != staged.digest {
            return Err(Error::Integrity);
        }
        let bytes = self.vault.open_own(Purpose::Staff, &place(token.id), &sealed)?;
        drop(sealed);
        self.import(ctx, &bytes, keep_good, &|_, _| {}).await
    }
}
