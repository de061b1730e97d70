//! How fast one person may open charts, search and export: token buckets in memory, one for each
//! account and sort of work. Limits stand far above a hurried human and far below a script.
//!
//! Policy is asked through `permit` and `permit_chart`, and they ask here first, so a use case
//! cannot forget it. What is refused is in the log once per burst, not once per request. Must
//! never hold back the command line or background jobs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wardkeep_domain::AccountId;
use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::{Class, Outcome};
use wardkeep_policy::{Action, Actor};

use crate::act::{Act, Side};
use crate::{App, Ctx, Error, Result};

/// A bucket: what flows in, and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    pub per_minute: u32,
    pub burst: u32,
}

impl Rate {
    /// Sustained `per_minute`, with twice that at once.
    #[must_use]
    pub fn per_minute(per_minute: u32) -> Self {
        Self { per_minute, burst: per_minute.saturating_mul(2) }
    }
}

/// The limits of one person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Requests that show something of a patient's chart.
    pub charts: Rate,
    /// Searches and lists of patients or assessments.
    pub searches: Rate,
    pub exports: Rate,
}

/// What `wardkeep serve` starts with.
pub const CHARTS_PER_MINUTE: u32 = 120;
pub const SEARCHES_PER_MINUTE: u32 = 60;
pub const EXPORTS_PER_MINUTE: u32 = 6;
/// So many charts asked for by one person within a minute raise an alarm, granted or not.
pub const ALARM_CHARTS: usize = 500;

impl Default for Limits {
    fn default() -> Self {
        Self {
            charts: Rate::per_minute(CHARTS_PER_MINUTE),
            searches: Rate::per_minute(SEARCHES_PER_MINUTE),
            exports: Rate::per_minute(EXPORTS_PER_MINUTE),
        }
    }
}

const MINUTE_MS: i64 = 60_000;
/// A person is told of again when this long nothing was refused.
const BURST_OVER_MS: i64 = MINUTE_MS;
/// The alarm of one person is raised once in this time.
const ALARM_EVERY_MS: i64 = 60 * MINUTE_MS;
/// People remembered at once; those who rest are forgotten first.
const PEOPLE_MAX: usize = 10_000;

/// The sort of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lane {
    Chart,
    Search,
    Export,
}

impl Lane {
    /// `None`: the action is not paced.
    fn of(action: Action) -> Option<Self> {
        use Action::{
            ExportAssessments, ExportLog, ListAssessments, ListCarePatients, OpenChart, ReadAccessHistory, ReadAssessment,
            ReadDemographics, ReadDocument, ReadRecord, SearchPatients, SummariseAssessments,
        };
        match action {
            OpenChart | ReadRecord | ReadDocument | ReadAssessment | ReadDemographics | ReadAccessHistory => Some(Lane::Chart),
            SearchPatients | ListCarePatients | ListAssessments | SummariseAssessments => Some(Lane::Search),
            ExportLog | ExportAssessments => Some(Lane::Export),
            _ => None,
        }
    }
}

/// A token bucket, kept as the moment at which it will be full again, in microseconds.
#[derive(Clone, Copy, Default, Debug)]
struct Bucket {
    full_at_us: i64,
    /// The request that was let through last: what it asks further costs nothing.
    request: [u8; 16],
    refused_at: Option<Moment>,
}

/// What a bucket says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Go,
    /// `first`: of this burst.
    Wait {
        seconds: u32,
        first: bool,
    },
}

impl Bucket {
    fn take(&mut self, rate: Rate, request: [u8; 16], now: Moment) -> Said {
        if self.request == request && request != [0; 16] {
            return Said::Go;
        }
        let now_us = now.0.saturating_mul(1000);
        let each_us = MINUTE_MS * 1000 / i64::from(rate.per_minute.max(1));
        let holds_us = each_us.saturating_mul(i64::from(rate.burst.max(1)));
        // A bucket is never emptier than empty: a clock that was set back must not lock anybody out.
        let full_at = self.full_at_us.clamp(now_us, now_us.saturating_add(holds_us)).saturating_add(each_us);
        let over_us = full_at.saturating_sub(now_us).saturating_sub(holds_us);
        if over_us <= 0 {
            (self.full_at_us, self.request) = (full_at, request);
            return Said::Go;
        }
        let first = self.refused_at.is_none_or(|at| now.since_ms(at) >= BURST_OVER_MS);
        self.refused_at = Some(now);
        let seconds = u32::try_from(over_us.saturating_add(999_999) / 1_000_000).unwrap_or(u32::MAX);
        Said::Wait { seconds, first }
    }
}

#[derive(Debug, Default)]
struct Person {
    chart: Bucket,
    search: Bucket,
    export: Bucket,
    /// When charts were asked for within the last minute.
    asked: VecDeque<Moment>,
    alarmed_at: Option<Moment>,
}

impl Person {
    /// Counts a chart that was asked for; `true` when it is time for the alarm.
    fn alarming(&mut self, now: Moment) -> bool {
        while self.asked.len() >= ALARM_CHARTS || self.asked.front().is_some_and(|at| now.since_ms(*at) >= MINUTE_MS) {
            self.asked.pop_front();
        }
        self.asked.push_back(now);
        let due = self.asked.len() >= ALARM_CHARTS && self.alarmed_at.is_none_or(|at| now.since_ms(at) >= ALARM_EVERY_MS);
        if due {
            self.alarmed_at = Some(now);
        }
        due
    }
    fn rests(&self, now: Moment) -> bool {
        let full = |bucket: &Bucket| bucket.full_at_us <= now.0.saturating_mul(1000);
        [&self.chart, &self.search, &self.export].into_iter().all(full) && self.alarmed_at.is_none_or(|at| now.since_ms(at) >= MINUTE_MS)
    }
}

/// Everybody's buckets. Lost at a restart, which fills them.
#[derive(Debug, Default)]
pub struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    limits: Limits,
    people: HashMap<AccountId, Person>,
}

impl Pace {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn ask(&self, account: AccountId, lane: Lane, request: [u8; 16], now: Moment) -> (Said, bool) {
        let mut state = self.state();
        if state.people.len() >= PEOPLE_MAX && !state.people.contains_key(&account) {
            state.people.retain(|_, person| !person.rests(now));
        }
        let limits = state.limits;
        let person = state.people.entry(account).or_default();
        match lane {
            Lane::Chart => {
                let same = person.chart.request == request && request != [0; 16];
                (person.chart.take(limits.charts, request, now), !same && person.alarming(now))
            }
            Lane::Search => (person.search.take(limits.searches, request, now), false),
            Lane::Export => (person.export.take(limits.exports, request, now), false),
        }
    }
}

impl App {
    /// Other limits than the usual ones (`wardkeep serve --charts-per-minute`). There is no off.
    pub fn set_pace(&self, limits: Limits) {
        self.pace.state().limits = limits;
    }

    /// Asked before policy. A person who is too fast waits, and the log says so once per burst.
    pub(crate) async fn keep_pace(&self, ctx: &Ctx, action: Action) -> Result<()> {
        let id = match ctx.actor {
            Actor::Account { .. } | Actor::Service { .. } => ctx.account_id(),
            Actor::Job { .. } | Actor::Operator => return Ok(()),
        };
        let Some(lane) = Lane::of(action) else { return Ok(()) };
        let (said, alarming) = self.pace.ask(id, lane, ctx.visit.request, ctx.now());
        if alarming {
            self.raise_haste_alarm(ctx, id).await?;
        }
        let Said::Wait { seconds, first } = said else { return Ok(()) };
        if first {
            let reason = format!("Faster than anyone reads: told to wait {seconds} seconds.");
            let act = Act::by(self, Side::Records, ctx, Class::Denied).outcome(Outcome::Denied).rule("too-fast");
            act.detail("action", action.name()).detail("reason", reason).commit().await?;
        }
        Err(Error::Throttled { retry_after_s: seconds })
    }

    async fn raise_haste_alarm(&self, ctx: &Ctx, id: AccountId) -> Result<()> {
        // A patient's name does not belong into an alarm.
        let who = match ctx.account() {
            Some(account) if account.role != Role::Patient => format!("{} ({})", account.display_name, account.role.label()),
            _ => format!("Account {id}"),
        };
        let words = format!(
            "{who} asked for {ALARM_CHARTS} charts within a minute. Look at what was opened in the log, and suspend the account if nobody can explain it."
        );
        let act = Act::by(self, Side::Control, ctx, Class::Denied).outcome(Outcome::Denied).rule("many-charts");
        let act = act.detail("reason", format!("{ALARM_CHARTS} charts asked for within a minute"));
        let hour = ctx.now().0 / ALARM_EVERY_MS;
        self.raise_alarm(act, &[b"many-charts", &id.bytes(), &hour.to_be_bytes()], ctx.now(), "many charts", words).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u32) -> [u8; 16] {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_as_much_as_flows_in() {
        let (rate, mut bucket, now) = (Rate { per_minute: 60, burst: 5 }, Bucket::default(), Moment(1_000_000));
        for number in 0..5 {
            assert_eq!(bucket.take(rate, request(number), now), Said::Go, "{number}");
        }
        assert_eq!(bucket.take(rate, request(5), now), Said::Wait { seconds: 1, first: true });
        assert_eq!(bucket.take(rate, request(6), now), Said::Wait { seconds: 1, first: false });
        assert_eq!(bucket.take(rate, request(7), now.plus_ms(1000)), Said::Go);
        assert_eq!(bucket.take(rate, request(8), now.plus_ms(1000)), Said::Wait { seconds: 1, first: false });
        // After a quiet minute the bucket is full, and the next refusal is a new burst.
        let later = now.plus_ms(61_000);
        for number in 9..14 {
            assert_eq!(bucket.take(rate, request(number), later), Said::Go, "{number}");
        }
        assert_eq!(bucket.take(rate, request(14), later), Said::Wait { seconds: 1, first: true });
    }

    #[test]
    fn one_request_costs_one_token_however_often_it_asks() {
        let (rate, mut bucket, now) = (Rate { per_minute: 1, burst: 1 }, Bucket::default(), Moment(0));
        for _ in 0..10 {
            assert_eq!(bucket.take(rate, request(1), now), Said::Go);
        }
        assert!(matches!(bucket.take(rate, request(2), now), Said::Wait { .. }));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_longer_than_one_token() {
        let (rate, mut bucket) = (Rate { per_minute: 60, burst: 2 }, Bucket::default());
        bucket.take(rate, request(1), Moment(1_000_000_000));
        assert_eq!(bucket.take(rate, request(2), Moment(0)), Said::Wait { seconds: 1, first: true });
        assert_eq!(bucket.take(rate, request(3), Moment(1_000)), Said::Wait { seconds: 1, first: false });
    }

    #[test]
    fn the_five_hundredth_chart_of_a_minute_alarms_once_an_hour() {
        let mut person = Person::default();
        let alarms = (0..2_000).filter(|at| person.alarming(Moment(at * 10))).count();
        assert_eq!(alarms, 1);
        let mut slow = Person::default();
        assert_eq!((0..2_000).filter(|at| slow.alarming(Moment(at * 121))).count(), 0, "495 a minute");
        let later = 2 * ALARM_EVERY_MS;
        assert_eq!((0..600).filter(|at| person.alarming(Moment(later + at))).count(), 1);
    }

    #[test]
    fn one_person_does_not_slow_another_down() {
        let pace = Pace::default();
        let (one, two) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let mut refused = 0;
        for number in 0..1_000 {
            refused += u32::from(pace.ask(one, Lane::Chart, request(number), Moment(0)).0 != Said::Go);
        }
        assert_eq!(refused, 760);
        assert_eq!(pace.ask(two, Lane::Chart, request(1), Moment(0)).0, Said::Go);
        assert_eq!(pace.ask(one, Lane::Search, request(1), Moment(0)).0, Said::Go);
    }
}
