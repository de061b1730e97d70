//! What would other rules have said? The decisions of the last days are read from the log, each with
//! its action and the facts that held, and put to the rules of now and to those that are tried.
//!
//! Who asked is known, and whom it was about is not: a rule that names one patient or one other
//! account by id never meets it here.

use std::collections::HashMap;

use wardkeep_domain::AccountId;
use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::Class;
use wardkeep_policy::matrix::{JOBS, Who};
use wardkeep_policy::{Action, Case, Held, Policy, Resource, Verdict};
use wardkeep_store::{Find, Seq};

use super::Site;
use crate::act::{Act, Side};
use crate::clear::ActorPart;
use crate::{App, Ctx, Error, Result, kinds};

/// Longest time to look back.
pub const DAYS_MAX: u32 = 366;
/// Most entries read of each store.
const ENTRIES_MAX: usize = 1_000_000;
/// Entries read at once.
const BATCH: usize = 500;
const EXAMPLES_MAX: usize = 20;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a change of the rules would have changed.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    /// Decisions of policy that the log holds for these days.
    pub decisions: u64,
    /// Of these, those written by a version that did not yet note the question.
    pub not_replayed: u64,
    /// The log held more entries than are read at once: the oldest were left out.
    pub cut: bool,
    /// Most frequent first.
    pub changes: Vec<Change>,
    /// Newest first; of answers that would have turned.
    pub examples: Vec<Example>,
}

/// Decisions of one role on one action that other rules would have answered.
#[derive(Clone, Debug)]
pub struct Change {
    pub who: Who,
    pub action: Action,
    pub before: Verdict,
    pub after: Verdict,
    pub count: u64,
}

/// When it would have made a difference, and to which role.
#[derive(Clone, Debug)]
pub struct Example {
    pub at: Moment,
    pub who: Who,
    pub action: Action,
    pub allowed_after: bool,
}

/// Both answers to a question, asked once.
type Answers = HashMap<Case, (Verdict, Verdict)>;
type Counts = HashMap<(Who, Action, Verdict, Verdict), u64>;

impl App {
    /// # Errors
    /// `Denied`; `Refused` when a file is bad or the days are too many.
    pub async fn try_policies(&self, ctx: &Ctx, site: &Site, days: u32) -> Result<DryRun> {
        let permit = self.permit(ctx, Action::ExplainPolicy, Resource::Hospital).await?;
        if days == 0 || days > DAYS_MAX {
            return Err(Error::Refused(format!("Between 1 and {DAYS_MAX} days can be tried.")));
        }
        let tried = Policy::with_site(&site.files).map_err(|fault| Error::Refused(fault.to_string()))?;
        let act = Act::by(self, Side::Records, ctx, Class::LogRead).permit(&permit).detail("what", "policies tried");
        act.detail("days", days.to_string()).detail("digest", site.noted().digest).commit().await?;
        let from = ctx.now().plus_ms(-i64::from(days).saturating_mul(DAY_MS));
        let (mut run, mut answers, mut counts) = (DryRun::default(), Answers::new(), Counts::new());
        for side in [Side::Control, Side::Records] {
            let mut examples = Vec::new();
            let mut before = None;
            let since = self.store(side).seq_at(from.0).await?;
            let mut read = 0;
            loop {
                let query = Find { kind: kinds::EVENT, all_of: Vec::new(), before, since: Some(since), limit: BATCH };
                let documents = self.store(side).find(&query).await?;
                for document in &documents {
                    let part = self.open_actor_part(side, document)?;
                    // The question about the change itself is none of the past.
                    if part.time_ms >= from.0 && part.request != ctx.visit.request {
                        self.replay(&tried, &part, &mut answers, &mut run, &mut counts, &mut examples);
                    }
                }
                read += documents.len();
                let Some(last) = documents.last().filter(|_| documents.len() == BATCH) else { break };
                if read >= ENTRIES_MAX {
                    run.cut = true;
                    break;
                }
                before = Some(Seq(last.seq.0));
            }
            run.examples.append(&mut examples);
        }
        run.examples.sort_by_key(|example| std::cmp::Reverse(example.at));
        run.examples.truncate(EXAMPLES_MAX);
        run.changes = ordered(counts);
        Ok(run)
    }

    fn replay(
        &self,
        tried: &Policy,
        part: &ActorPart,
        answers: &mut Answers,
        run: &mut DryRun,
        counts: &mut Counts,
        examples: &mut Vec<Example>,
    ) {
        if part.rule.is_none() {
            return;
        }
        run.decisions += 1;
        let Some(case) = case(part) else {
            run.not_replayed += 1;
            return;
        };
        let (before, after) = answers.entry(case).or_insert_with(|| {
            let (actor, action, resource, facts) = case.question();
            [&self.policy, tried].map(|policy| policy.verdict(actor, action, resource, facts)).into()
        });
        if (before.allowed, &before.rule) == (after.allowed, &after.rule) {
            return;
        }
        if before.allowed != after.allowed && examples.len() < EXAMPLES_MAX {
            let (who, action, allowed_after) = (case.who, case.action, after.allowed);
            examples.push(Example { at: Moment(part.time_ms), who, action, allowed_after });
        }
        *counts.entry((case.who, case.action, before.clone(), after.clone())).or_default() += 1;
    }
}

/// The question that the event answers; `None` when it does not say.
fn case(part: &ActorPart) -> Option<Case> {
    let asked = part.asked.as_ref()?;
    let who = match part.who.kind.as_str() {
        "account" => Who::Role(Role::parse(&part.who.role).ok()?),
        "job" => Who::Job(JOBS.into_iter().find(|job| *job == part.who.id)?),
        "operator" => Who::Operator,
        _ => return None,
    };
    let id = hex::decode(&part.who.id).ok().and_then(|id| id.try_into().ok()).map(AccountId::from_bytes);
    let account = if asked.account.is_empty() { Role::Nurse } else { Role::parse(&asked.account).ok()? };
    Some(Case { who, id, action: Action::parse(&asked.action)?, held: Held::parse(&asked.facts)?, account })
}

/// Most frequent first, then by role and action.
fn ordered(counts: Counts) -> Vec<Change> {
    let change = |((who, action, before, after), count)| Change { who, action, before, after, count };
    let mut changes: Vec<Change> = counts.into_iter().map(change).collect();
    changes.sort_by_key(|change| (std::cmp::Reverse(change.count), change.who.label(), change.action, change.after.rule.clone()));
    changes
}
