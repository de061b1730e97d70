//! What makes an access unusual, and the privacy officer's decision on it.
//!
//! An unusual access is a question, not an accusation: most have a good answer. Nothing here
//! refuses anything; it only says what somebody should look at first.

use serde::{Deserialize, Serialize};

use crate::account::Role;
use crate::date::Moment;
use crate::{AccountId, FieldError, FieldErrors, LogEventId, PatientId, field};

/// Fewer different charts than this are never unusually many.
pub const MANY_CHARTS_MIN: usize = 20;
/// Unusually many: more than so many times the median of the other people of the role.
pub const MANY_TIMES: usize = 3;

/// Why an access is looked into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    OwnRecord,
    SameContact,
    SameFamily,
    Emergency,
    Refused,
    ManyCharts,
    LeftTeam,
}

impl Reason {
    pub const ALL: [Reason; 7] = [
        Reason::OwnRecord,
        Reason::SameContact,
        Reason::SameFamily,
        Reason::Emergency,
        Reason::Refused,
        Reason::ManyCharts,
        Reason::LeftTeam,
    ];
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Reason::OwnRecord => "Own record",
            Reason::SameContact => "Same contact",
            Reason::SameFamily => "Same family name",
            Reason::Emergency => "Emergency access",
            Reason::Refused => "Was refused",
            Reason::ManyCharts => "Unusually many charts",
            Reason::LeftTeam => "Not on the care team any more",
        }
    }
    /// What was compared, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Reason::OwnRecord => "The person has the patient's family name and given name.",
            Reason::SameContact => "The patient's contacts hold the person's e-mail address or name.",
            Reason::SameFamily => "The person has the patient's family name.",
            Reason::Emergency => "The chart was opened with emergency access.",
            Reason::Refused => "The person tried and is not on the care team.",
            Reason::ManyCharts => "The person opened more than three times as many charts as others of the role.",
            Reason::LeftTeam => "The person was on the care team then and is not now.",
        }
    }
    /// Heavier cases stand first.
    #[must_use]
    pub fn weight(self) -> u32 {
        match self {
            Reason::OwnRecord => 50,
            Reason::SameContact => 40,
            Reason::SameFamily | Reason::Emergency => 30,
            Reason::Refused | Reason::ManyCharts => 20,
            Reason::LeftTeam => 5,
        }
    }
}

/// The sum over a case's reasons.
#[must_use]
pub fn weight(reasons: &[Reason]) -> u32 {
    reasons.iter().fold(0, |sum, reason| sum.saturating_add(reason.weight()))
}

/// On what ground somebody was let into a chart, or was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// A rule for the care team.
    Care,
    Emergency,
    /// Another rule, for example a registrar's work on the patient's details.
    Other,
    Refused,
}

/// What staff member and patient have in common.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Alike {
    pub own: bool,
    pub family: bool,
    pub contact: bool,
}

impl Alike {
    #[must_use]
    pub fn any(self) -> bool {
        self.own || self.family || self.contact
    }
}

/// Reasons of one person's accesses to one patient, heaviest first. `on_team`: the person is on the
/// care team now.
#[must_use]
pub fn reasons(role: Role, on_team: bool, grounds: &[Ground], alike: Alike) -> Vec<Reason> {
    if grounds.is_empty() {
        return Vec::new();
    }
    let has = |ground| grounds.contains(&ground);
    let desk = role == Role::Registrar;
    let found = [
        (alike.own, Reason::OwnRecord),
        // The front desk writes contacts down for everybody it knows.
        (alike.contact && !desk, Reason::SameContact),
        (alike.family && !alike.own, Reason::SameFamily),
        (has(Ground::Emergency), Reason::Emergency),
        // Who is on the team and is refused has tried something else, such as a colleague's entry.
        (has(Ground::Refused) && !on_team, Reason::Refused),
        (has(Ground::Care) && !on_team, Reason::LeftTeam),
    ];
    found.into_iter().filter(|(is, _)| *is).map(|(_, reason)| reason).collect()
}

/// Did somebody open unusually many different charts? `others`: how many each other person of the
/// same role opened; nobody to compare with is no ground.
#[must_use]
pub fn is_many(opened: usize, others: &[usize]) -> bool {
    let mut others = others.to_vec();
    others.sort_unstable();
    let middle = others.len() / 2;
    let (Some(&high), low) = (others.get(middle), middle.checked_sub(1).and_then(|at| others.get(at))) else { return false };
    // Twice the median, so that it stays a whole number.
    let twice = if others.len().is_multiple_of(2) { high.saturating_add(low.copied().unwrap_or(high)) } else { high.saturating_mul(2) };
    opened >= MANY_CHARTS_MIN && opened.saturating_mul(2) > twice.saturating_mul(MANY_TIMES)
}

/// In front of names, as normalised; no part of them.
const TITLES: [&str; 10] = ["dr", "prof", "professor", "mr", "mrs", "ms", "miss", "sister", "nurse", "matron"];

/// A staff member's display name in normalised words, without titles.
#[derive(Clone, PartialEq, Eq)]
pub struct StaffName {
    words: Vec<String>,
    /// Words that may be the family name.
    family: std::ops::Range<usize>,
}

impl std::fmt::Debug for StaffName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaffName(…)")
    }
}

impl StaffName {
    /// `Dr Grace N. Okafor` and `OKAFOR, Grace`; `normalise` makes words that can be compared.
    #[must_use]
    pub fn new(display: &str, normalise: impl Fn(&str) -> String) -> Self {
        let (first, rest) = display.split_once(',').map_or((display, None), |(first, rest)| (first, Some(rest)));
        let words = |text: &str| normalise(text).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut all: Vec<String> = words(first).into_iter().skip_while(|word| TITLES.contains(&word.as_str())).collect();
        let count = all.len();
        // Without a comma the given name stands first, unless there is one word alone.
        let family = if rest.is_some() || count < 2 { 0..count } else { 1..count };
        all.extend(words(rest.unwrap_or_default()));
        Self { words: all, family }
    }
    /// Where the family name (normalised) stands in this name.
    fn family_at(&self, family: &str) -> Option<std::ops::Range<usize>> {
        let wanted: Vec<&str> = family.split_whitespace().collect();
        let allowed = self.words.get(self.family.clone())?;
        let at = allowed.windows(wanted.len().max(1)).position(|words| words.iter().eq(&wanted))?;
        let start = self.family.start.saturating_add(at);
        Some(start..start.saturating_add(wanted.len()))
    }
    /// Is this (normalised) the person's family name, or part of a double one?
    #[must_use]
    pub fn has_family(&self, family: &str) -> bool {
        self.family_at(family).is_some()
    }
    /// Has somebody of this family and given name (both normalised) the same name? The first given
    /// name counts.
    #[must_use]
    pub fn is(&self, family: &str, given: &str) -> bool {
        let (Some(family), Some(given)) = (self.family_at(family), given.split_whitespace().next()) else { return false };
        self.words.iter().enumerate().any(|(at, word)| !family.contains(&at) && word == given)
    }
    /// Does a (normalised) text name this person with every word?
    #[must_use]
    pub fn stands_in(&self, text: &str) -> bool {
        let text: Vec<&str> = text.split_whitespace().collect();
        self.words.len() >= 2 && self.words.iter().all(|word| text.contains(&word.as_str()))
    }
}

/// A staff account and a patient, or a staff account and the many charts it opened. Written
/// `{account}_{patient}` or `{account}_many`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct CaseId {
    pub account: AccountId,
    /// `None`: about how many charts it were.
    pub patient: Option<PatientId>,
}

const MANY: &str = "many";

impl CaseId {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (account, patient) = text.split_once('_')?;
        let patient = if patient == MANY { None } else { Some(PatientId::parse(patient)?) };
        Some(Self { account: AccountId::parse(account)?, patient })
    }
}

impl std::fmt::Display for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.patient {
            Some(patient) => write!(f, "{}_{patient}", self.account),
            None => write!(f, "{}_{MANY}", self.account),
        }
    }
}

/// What the privacy officer found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    Explained,
    NotExplained,
}

impl Finding {
    pub const ALL: [Finding; 2] = [Finding::Explained, Finding::NotExplained];
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Finding::Explained => "explained",
            Finding::NotExplained => "not_explained",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Finding::Explained => "Explained",
            Finding::NotExplained => "Not explained",
        }
    }
}

/// A decision as typed.
#[derive(Clone, Default)]
pub struct FindingForm {
    pub decision: String,
    pub note: String,
    /// The newest access that was shown, in milliseconds since 1970: later ones are not decided on.
    pub seen: String,
}

impl FindingForm {
    /// # Errors
    /// On `decision` when nothing is chosen; on `note` when it is not 10 to 500 characters; on
    /// `seen` when the page did not send it.
    pub fn parse(&self) -> Result<(Finding, String, Moment), FieldErrors> {
        let mut errors = FieldErrors::new();
        let decision = Finding::ALL.into_iter().find(|finding| finding.code() == self.decision);
        let decision = errors.take(decision.ok_or_else(|| FieldError::new("decision", "Choose what you found.")));
        let note = errors.take(field::text("note", &self.note, 10, 500, true));
        let seen = self.seen.parse().map(Moment);
        let seen = errors.take(seen.map_err(|_| FieldError::new("seen", "Open the case again, and decide on what it shows then.")));
        errors.into_result((|| Some((decision?, note?, seen?)))())
    }
}

/// A decision as kept. Its note is in the log, under the patient's key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Closed {
    pub case: CaseId,
    pub finding: Finding,
    pub by: AccountId,
    pub at: Moment,
    /// Accesses up to this moment are decided on; a later one opens the case again.
    pub until: Moment,
    /// The entry with the note.
    pub event: LogEventId,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTHING: Alike = Alike { own: false, family: false, contact: false };

    fn name(display: &str) -> StaffName {
        StaffName::new(display, |text| text.to_lowercase().replace(['.', '-'], " "))
    }

    /// Role, on the team now, grounds, alike, and the reasons that follow.
    type Expected = (Role, bool, &'static [Ground], Alike, &'static [Reason]);

    #[test]
    fn each_reason_appears_exactly_when_it_should() {
        use Ground::{Care, Emergency, Other, Refused};
        let own = Alike { own: true, family: true, contact: false };
        let family = Alike { family: true, ..NOTHING };
        let contact = Alike { contact: true, ..NOTHING };
        let cases: [Expected; 14] = [
            (Role::Doctor, true, &[Care, Care], NOTHING, &[]),
            (Role::Doctor, false, &[Care], NOTHING, &[Reason::LeftTeam]),
            (Role::Nurse, false, &[Emergency], NOTHING, &[Reason::Emergency]),
            (Role::Nurse, true, &[Emergency, Care], NOTHING, &[Reason::Emergency]),
            (Role::Nurse, false, &[Refused], NOTHING, &[Reason::Refused]),
            (Role::Nurse, true, &[Refused, Care], NOTHING, &[]),
            (Role::Doctor, true, &[Care], family, &[Reason::SameFamily]),
            (Role::Doctor, true, &[Care], own, &[Reason::OwnRecord]),
            (Role::Doctor, true, &[Care], contact, &[Reason::SameContact]),
            (Role::Administrator, false, &[Refused], own, &[Reason::OwnRecord, Reason::Refused]),
            (Role::Registrar, false, &[Other], NOTHING, &[]),
            (Role::Registrar, false, &[Other], contact, &[]),
            (Role::Registrar, false, &[Other], family, &[Reason::SameFamily]),
            (Role::Doctor, false, &[], own, &[]),
        ];
        for (role, on_team, grounds, alike, expected) in cases {
            assert_eq!(reasons(role, on_team, grounds, alike), expected, "{role:?} {on_team} {grounds:?} {alike:?}");
        }
    }

    #[test]
    fn many_is_against_the_median_of_the_others_and_never_below_twenty() {
        for (opened, others, expected) in [
            (20, &[6][..], true),
            (20, &[7], false),
            (19, &[1, 1], false),
            (61, &[20, 20, 20], true),
            (60, &[20, 20, 20], false),
            // The median of two is half-way.
            (46, &[10, 20], true),
            (45, &[10, 20], false),
            (1000, &[], false),
            (1000, &[1, 2, 900], true),
        ] {
            assert_eq!(is_many(opened, others), expected, "{opened} {others:?}");
        }
    }

    #[test]
    fn names_are_compared_as_people_write_them() {
        for (display, family, given, same_family, same_name) in [
            ("Dr Grace N. Okafor", "okafor", "grace", true, true),
            ("OKAFOR, Grace", "okafor", "grace", true, true),
            ("Grace Okafor", "okafor", "grace ngozi", true, true),
            ("Peter Okafor", "okafor", "grace", true, false),
            ("Maria García Lorca", "garcía lorca", "maria", true, true),
            ("Anna Smith-Jones", "smith", "anna", true, true),
            ("Anna Smith", "smith jones", "anna", false, false),
            // A given name is no family name, behind a title or not.
            ("Martin Okafor", "martin", "anna", false, false),
            ("Dr Martin Okafor", "martin", "okafor", false, false),
            ("James Martin", "martin", "martin", true, false),
            ("Okafor", "okafor", "grace", true, false),
            ("", "okafor", "grace", false, false),
            ("Grace Okafor", "", "grace", false, false),
            ("Grace Okaforsson", "okafor", "grace", false, false),
        ] {
            assert_eq!(name(display).has_family(family), same_family, "{display} {family}");
            assert_eq!(name(display).is(family, given), same_name, "{display} {given} {family}");
        }
        assert!(name("Dr Grace Okafor").stands_in("mother grace okafor 07700 900123"));
        assert!(!name("Dr Grace Okafor").stands_in("grace adeyemi"));
        assert!(!name("Grace").stands_in("grace adeyemi"), "one word names many people");
    }

    #[test]
    fn a_case_comes_back_as_it_was_written_and_nothing_else_is_one() {
        let account = AccountId::from_bytes([1; 16]);
        for case in [CaseId { account, patient: Some(PatientId::from_bytes([2; 16])) }, CaseId { account, patient: None }] {
            assert_eq!(CaseId::parse(&case.to_string()), Some(case));
        }
        for bad in ["", "_", "_many", "many_many", &format!("{account}"), &format!("{account}_"), &format!("{account}_{account}_{account}")]
        {
            assert_eq!(CaseId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_decision_names_what_is_missing() {
        let form = FindingForm { decision: "maybe".to_owned(), note: "short".to_owned(), seen: "yesterday".to_owned() };
        assert_eq!(form.parse().unwrap_err().0.iter().map(|error| error.field).collect::<Vec<_>>(), ["decision", "note", "seen"]);
        let form = FindingForm { decision: "explained".to_owned(), note: "Asked by the ward.".to_owned(), seen: "7".to_owned() };
        assert_eq!(form.parse().unwrap(), (Finding::Explained, "Asked by the ward.".to_owned(), Moment(7)));
    }

    fn ground() -> impl Strategy<Value = Ground> {
        prop_oneof![Just(Ground::Care), Just(Ground::Emergency), Just(Ground::Other), Just(Ground::Refused)]
    }

    proptest! {
        #[test]
        fn one_more_access_never_makes_a_case_lighter(
            grounds in proptest::collection::vec(ground(), 0..6), more in ground(), on_team: bool, role in 0usize..5, bits in 0u8..8,
        ) {
            let alike = Alike { own: bits & 1 != 0, family: bits & 2 != 0, contact: bits & 4 != 0 };
            let role = Role::STAFF[role];
            let before = reasons(role, on_team, &grounds, alike);
            let after = reasons(role, on_team, &[grounds, vec![more]].concat(), alike);
            prop_assert!(before.iter().all(|reason| after.contains(reason)));
            prop_assert!(weight(&after) >= weight(&before));
            prop_assert!(after.windows(2).all(|pair| pair[0].weight() >= pair[1].weight()));
        }

        #[test]
        fn whoever_opened_more_is_not_less_conspicuous(opened in 0usize..200, others in proptest::collection::vec(0usize..60, 0..9)) {
            prop_assert!(!is_many(opened, &others) || is_many(opened + 1, &others));
            let mut turned = others.clone();
            turned.reverse();
            prop_assert_eq!(is_many(opened, &others), is_many(opened, &turned));
        }
    }
}
