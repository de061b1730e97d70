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

/// Refusals of the pace and not of a rule, see `pace.rs`.
const NO_RULES: [&str; 3] = ["too-fast", "many-charts", "many-emergencies"];

/// Takes events, newest first of each store, and counts.
struct Replay<'a> {
    now: &'a Policy,
    tried: &'a Policy,
    /// Both answers to a question, asked once.
    answers: HashMap<Case, (Verdict, Verdict)>,
    counts: HashMap<(Who, Action, Verdict, Verdict), u64>,
    run: DryRun,
}

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
        let mut replay = Replay::new(&self.policy, &tried);
        for side in Side::BOTH {
            self.replay(ctx, side, from, &mut replay).await?;
        }
        Ok(replay.end())
    }

    async fn replay(&self, ctx: &Ctx, side: Side, from: Moment, replay: &mut Replay<'_>) -> Result<()> {
        let since = Some(self.store(side).seq_at(from.0).await?);
        let (mut before, mut read) = (None, 0);
        loop {
            let query = Find { kind: kinds::EVENT, all_of: Vec::new(), before, since, limit: BATCH };
            let documents = self.store(side).find(&query).await?;
            for document in &documents {
                let part = self.open_actor_part(side, document)?;
                // That this is asked now is none of the past.
                if part.time_ms >= from.0 && part.request != ctx.visit.request {
                    replay.take(&part);
                }
            }
            read += documents.len();
            let Some(last) = documents.last().filter(|_| documents.len() == BATCH) else { return Ok(()) };
            if read >= ENTRIES_MAX {
                replay.run.cut = true;
                return Ok(());
            }
            before = Some(Seq(last.seq.0));
        }
    }
}

impl<'a> Replay<'a> {
    fn new(now: &'a Policy, tried: &'a Policy) -> Self {
        Self { now, tried, answers: HashMap::new(), counts: HashMap::new(), run: DryRun::default() }
    }

    fn take(&mut self, part: &ActorPart) {
        if part.rule.as_ref().is_none_or(|rule| NO_RULES.contains(&rule.as_str())) {
            return;
        }
        self.run.decisions += 1;
        let Some(case) = case(part) else {
            self.run.not_replayed += 1;
            return;
        };
        let (before, after) = self.answers.entry(case).or_insert_with(|| {
            let (actor, action, resource, facts) = case.question();
            [self.now, self.tried].map(|policy| policy.verdict(actor, action, resource, facts)).into()
        });
        if (before.allowed, &before.rule) == (after.allowed, &after.rule) {
            return;
        }
        *self.counts.entry((case.who, case.action, before.clone(), after.clone())).or_default() += 1;
        if before.allowed != after.allowed {
            let (who, action, allowed_after) = (case.who, case.action, after.allowed);
            self.run.examples.push(Example { at: Moment(part.time_ms), who, action, allowed_after });
            // Of both stores the newest ones; each gives its own in order.
            if self.run.examples.len() > 2 * EXAMPLES_MAX {
                self.keep_newest();
            }
        }
    }

    fn keep_newest(&mut self) {
        self.run.examples.sort_by_key(|example| std::cmp::Reverse(example.at));
        self.run.examples.truncate(EXAMPLES_MAX);
    }

    fn end(mut self) -> DryRun {
        self.keep_newest();
        let change = |((who, action, before, after), count)| Change { who, action, before, after, count };
        self.run.changes = self.counts.into_iter().map(change).collect();
        self.run.changes.sort_by_key(|change| {
            (std::cmp::Reverse(change.count), change.who.label(), change.action, change.before.rule.clone(), change.after.rule.clone())
        });
        self.run
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::Who as Actor;
    use crate::clear::Asked;

    fn event(time_ms: i64, kind: &str, role: &str, rule: Option<&str>, asked: Option<(&str, &str)>) -> ActorPart {
        let text = |text: &str| text.to_owned();
        let who = Actor {
            kind: text(kind),
            id: String::new(),
            name: String::new(),
            role: text(role),
            address: String::new(),
            device: String::new(),
        };
        let asked = asked.map(|(action, facts)| Asked { action: text(action), facts: text(facts), account: String::new() });
        let rule = rule.map(text);
        ActorPart { time_ms, class: 1, outcome: 0, who, rule, asked, request: [0; 16], actor_salt: [0; 32], about: None }
    }

    #[test]
    fn what_does_not_say_its_question_is_counted_and_not_guessed() {
        let (now, tried) = (Policy::embedded().unwrap(), Policy::from_files(&[]).unwrap());
        let mut replay = Replay::new(&now, &tried);
        let known = Some(("read_log", "active second_factor"));
        replay.take(&event(1, "account", "privacy_officer", Some("privacy-officer-log"), known));
        // Of an earlier version, of a later one, of somebody whom no rule knows.
        replay.take(&event(2, "account", "privacy_officer", Some("privacy-officer-log"), None));
        replay.take(&event(3, "account", "privacy_officer", Some("x"), Some(("read_log", "active moonlight"))));
        replay.take(&event(4, "account", "astrologer", Some("x"), known));
        replay.take(&event(5, "visitor", "", Some("x"), known));
        // No decisions of policy.
        replay.take(&event(6, "visitor", "", None, None));
        replay.take(&event(7, "account", "doctor", Some("too-fast"), None));
        let run = replay.end();
        assert_eq!((run.decisions, run.not_replayed, run.changes.len()), (5, 4, 1));
        assert_eq!((run.changes[0].count, run.changes[0].after.rule.as_str()), (1, "default"));
    }

    #[test]
    fn the_newest_twenty_of_both_stores_are_shown() {
        let (now, tried) = (Policy::embedded().unwrap(), Policy::from_files(&[]).unwrap());
        let mut replay = Replay::new(&now, &tried);
        let take = |replay: &mut Replay<'_>, at| {
            replay.take(&event(at, "account", "privacy_officer", Some("x"), Some(("read_log", "active second_factor"))));
        };
        // One store is newer than the other in every entry, and comes second.
        (0..50).rev().for_each(|at| take(&mut replay, at));
        (100..150).rev().for_each(|at| take(&mut replay, at));
        let run = replay.end();
        assert_eq!(run.examples.iter().map(|example| example.at.0).collect::<Vec<_>>(), (130..150).rev().collect::<Vec<_>>());
        assert_eq!(run.changes[0].count, 100);
    }
}
