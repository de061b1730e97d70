//! The rules themselves as something to look at: the hospital's own files, every rule in words, why
//! somebody may or may not, and what a change would have changed.

mod dry_run;
mod explain;
mod words;

use serde::{Deserialize, Serialize};
use wardkeep_ledger::Class;
use wardkeep_policy::matrix::Who;
use wardkeep_policy::{Action, File, Policy, Resource, Rule};
use wardkeep_store::DocId;
use wardkeep_vault::Purpose;

use crate::act::{Act, Side};
use crate::hospital::setup;
use crate::posture::Line;
use crate::{App, Ctx, Error, Result, Visit, kinds};

pub use dry_run::{Change, DAYS_MAX, DryRun, Example};
pub use explain::{Ask, Explained, of_role};
pub use words::words;

/// The hospital's own policy files, in the order of their names.
#[derive(Clone, Default, Debug)]
pub struct Site {
    pub files: Vec<File>,
}

/// What the hospital last started with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Noted {
    /// SHA-256 over names and texts, hex; empty when there were no files.
    digest: String,
    files: Vec<String>,
}

/// A rule and those about whom it ever decides.
#[derive(Clone, Debug)]
pub struct RuleView {
    pub rule: Rule,
    pub reach: Vec<Who>,
}

const ZERO: DocId = DocId([0; 16]);

impl Site {
    fn noted(&self) -> Noted {
        let mut bytes = Vec::new();
        for part in self.files.iter().flat_map(|(name, text)| [name, text]) {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        let digest = if self.files.is_empty() { String::new() } else { hex::encode(wardkeep_vault::vault::digest(&bytes)) };
        Noted { digest, files: self.files.iter().map(|(name, _)| name.clone()).collect() }
    }
}

/// Every rule with its reach, in the order of the files.
#[must_use]
pub fn views(policy: &Policy) -> Vec<RuleView> {
    policy.rules().iter().map(|rule| RuleView { rule: rule.clone(), reach: policy.reach(&rule.id).to_vec() }).collect()
}

impl App {
    /// Other rules than at the last start are an event.
    pub(crate) async fn note_site(&self, visit: &Visit) -> Result<()> {
        let (last, version) = self.site_noted().await?;
        let now = self.site.noted();
        if now == last {
            return Ok(());
        }
        let files = if now.files.is_empty() { "none".to_owned() } else { now.files.join(", ") };
        let mut act = Act::new(self, Side::Control, visit, setup(visit), Class::ConfigurationChanged)
            .detail("what", "site policies")
            .detail("files", files)
            .detail("digest", now.digest.clone());
        act.put_own(Purpose::Staff, kinds::SITE_POLICIES, ZERO, version.saturating_add(1), &now, Vec::new(), Vec::new())?;
        match act.commit().await {
            // Another node started with them at the same moment, and noted it.
            Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn site_noted(&self) -> Result<(Noted, u64)> {
        match self.control.get(kinds::SITE_POLICIES, ZERO).await? {
            Some(document) => {
                let opened = self.open_own_doc::<Noted>(kinds::CONTROL, Purpose::Staff, &document)?;
                Ok((opened.body, opened.version))
            }
            None => Ok((Noted::default(), 0)),
        }
    }

    /// For the posture table: how many rules are the hospital's own, and whether all nodes have them.
    pub(crate) async fn site_line(&self) -> Result<Line> {
        let what = "Site policies";
        if self.site_noted().await?.0 != self.site.noted() {
            let fix = "Give every node the same policy files, then restart them.";
            return Ok(Line::warning(what, "Another node started last, with other policy files than this one.", fix));
        }
        let (files, rules) = (self.site.files.len(), self.policy.rules().iter().filter(|rule| rule.site).count());
        let plural = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
        Ok(Line::ok(what, if files == 0 { "None.".to_owned() } else { format!("{} in {}.", plural(rules, "rule"), plural(files, "file")) }))
    }

    /// Every rule. It names nobody, so looking is no event.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn policy_rules(&self, ctx: &Ctx) -> Result<Vec<RuleView>> {
        self.permit(ctx, Action::ExplainPolicy, Resource::Hospital).await?;
        Ok(views(&self.policy))
    }
}
