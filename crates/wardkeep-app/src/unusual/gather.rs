//! Reads entries newest first, bounded, and asks of sealed demographics whether a person is alike.
//!
//! Entries are opened in their actor's part alone, which tells nothing of a patient; demographics
//! are asked yes-or-no questions and are not opened. What comes out lives as long as the request.

use std::collections::{HashMap, VecDeque};

use wardkeep_domain::account::{Account, Role};
use wardkeep_domain::date::Moment;
use wardkeep_domain::patient::Patient;
use wardkeep_domain::unusual::{Alike, Ground, StaffName};
use wardkeep_domain::{AccountId, PatientId};
use wardkeep_ledger::{Class, Outcome};
use wardkeep_policy::Fact;
use wardkeep_store::{DocId, Document, Find, Owner, Seq, Term};
use wardkeep_vault::PatientKey;
use wardkeep_vault::term::normalise;

use crate::act::Side;
use crate::clear::ActorPart;
use crate::{App, Ctx, Result, kinds};

/// What counts as an access to a chart.
pub(super) const ACCESSES: [Class; 5] =
    [Class::ChartOpened, Class::RecordRead, Class::DocumentDownloaded, Class::BreakGlassOpened, Class::Denied];
/// What a case's timeline shows: accesses, and what was done beside. Lists that a patient stood in
/// are left out: a worklist is read many times a day.
pub(super) const TIMELINE: [Class; 18] = [
    Class::ChartOpened,
    Class::RecordRead,
    Class::DocumentDownloaded,
    Class::BreakGlassOpened,
    Class::BreakGlassEnded,
    Class::Denied,
    Class::AccessHistoryRead,
    Class::RecordCreated,
    Class::RecordAmended,
    Class::RecordVoided,
    Class::PatientCreated,
    Class::PatientAmended,
    Class::DocumentUploaded,
    Class::DocumentVoided,
    Class::AssessmentCreated,
    Class::AssessmentAmended,
    Class::AssessmentVoided,
    Class::CareTeamChanged,
];
/// Entries of one class read at once.
const BATCH: usize = 250;
/// Documents asked for at once by id.
pub(super) const IDS: usize = 500;
/// Patients whose demographics are held at once.
const SIFT: usize = 64;

/// One access.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub account: AccountId,
    pub patient: PatientId,
    /// The role at the time.
    pub role: Role,
    pub at: Moment,
    pub ground: Ground,
}

impl Access {
    /// `None` when the entry is no access of a staff member to a patient's chart.
    pub(super) fn of(actor: &ActorPart, owner: Owner) -> Option<Self> {
        Class::from_code(actor.class).filter(|class| ACCESSES.contains(class))?;
        let role = Role::parse(&actor.who.role).ok().filter(|role| role.is_staff())?;
        let id = <[u8; 16]>::try_from(hex::decode(&actor.who.id).ok()?).ok()?;
        if actor.who.kind != "account" || owner == Owner::NONE {
            return None;
        }
        let ground = if actor.outcome != Outcome::Success as u8 {
            Ground::Refused
        } else if actor.in_emergency() {
            Ground::Emergency
        } else if actor.held().holds(Fact::InCare) {
            Ground::Care
        } else {
            Ground::Other
        };
        let (account, patient) = (AccountId::from_bytes(id), PatientId::from_bytes(owner.0));
        Some(Self { account, patient, role, at: Moment(actor.time_ms), ground })
    }
}

/// Entries of one class, a few at a time.
struct Lane {
    all_of: Vec<Term>,
    held: VecDeque<Document>,
    before: Option<Seq>,
    ended: bool,
}

impl Lane {
    fn next_seq(&self) -> Option<Seq> {
        self.held.front().map(|document| document.seq)
    }
}

/// What was read of the log.
#[derive(Default)]
pub(super) struct Looked {
    /// Newest first.
    pub entries: Vec<(Document, ActorPart)>,
    /// Older ones were left out, see `most`.
    pub cut: bool,
}

impl App {
    /// Up to `most` entries of these classes from `from` on that hold all of `terms`, handed over
    /// one by one, newest first; `true` when there were more. An entry that does not open is left
    /// out: whoever reads the log is told of it.
    pub(super) async fn newest_entries(
        &self,
        classes: &[Class],
        terms: &[Term],
        from: Moment,
        most: usize,
        mut take: impl FnMut(Document, ActorPart),
    ) -> Result<bool> {
        let since = self.records.seq_at(from.0).await?;
        let term = |class: Class| self.exact_term(kinds::RECORDS, kinds::EVENT, "class", &(class as u16).to_be_bytes());
        let all_of = |class| terms.iter().copied().chain([term(class)]).collect();
        let mut lanes: Vec<Lane> =
            classes.iter().map(|class| Lane { all_of: all_of(*class), held: VecDeque::new(), before: None, ended: false }).collect();
        let mut looked = 0;
        loop {
            for lane in &mut lanes {
                self.refill(lane, since, BATCH.min(most.saturating_add(1))).await?;
            }
            let newest = lanes.iter_mut().max_by_key(|lane| lane.next_seq());
            let Some(document) = newest.and_then(|lane| lane.held.pop_front()) else { return Ok(false) };
            if looked == most {
                return Ok(true);
            }
            looked += 1;
            match self.open_actor_part(Side::Records, &document) {
                // The sequence bound is as fine as commits; the moment decides.
                Ok(actor) if actor.time_ms >= from.0 => take(document, actor),
                _ => {}
            }
        }
    }

    async fn refill(&self, lane: &mut Lane, since: Seq, limit: usize) -> Result<()> {
        if !lane.held.is_empty() || lane.ended {
            return Ok(());
        }
        let query = Find { kind: kinds::EVENT, all_of: lane.all_of.clone(), before: lane.before, since: Some(since), limit };
        let found = self.records.find(&query).await?;
        lane.ended = found.len() < limit;
        lane.before = found.last().map(|last| last.seq);
        lane.held = found.into();
        Ok(())
    }

    /// Accounts by id; those that are gone are left out.
    pub(super) async fn staff(&self, ids: impl IntoIterator<Item = AccountId>) -> Result<HashMap<AccountId, Staff>> {
        let ids: Vec<DocId> = ids.into_iter().map(|id| DocId(id.bytes())).collect();
        let mut staff = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(IDS) {
            for document in self.control.get_many(kinds::ACCOUNT, ids).await? {
                let account = self.open_account(&document)?.body;
                let name = StaffName::new(&account.display_name, normalise);
                staff.insert(account.id, Staff { account, name });
            }
        }
        Ok(staff)
    }

    /// What the people of each patient have in common with the patient. A patient without a key,
    /// or whose demographics do not open, is like nobody.
    pub(super) async fn alikes(
        &self,
        ctx: &Ctx,
        people: &HashMap<PatientId, Vec<AccountId>>,
        staff: &HashMap<AccountId, Staff>,
    ) -> Result<HashMap<(AccountId, PatientId), Alike>> {
        let patients: Vec<PatientId> = people.keys().copied().collect();
        let mut alikes = HashMap::new();
        for some in patients.chunks(SIFT) {
            let keys = self.patient_keys(some, ctx.now()).await?;
            let ids: Vec<DocId> = some.iter().map(|id| DocId(id.bytes())).collect();
            for document in self.records.get_many(kinds::PATIENT, &ids).await? {
                let patient = PatientId::from_bytes(document.id.0);
                let Some((key, people)) = keys.get(&patient).zip(people.get(&patient)) else { continue };
                for (account, staff) in people.iter().filter_map(|account| Some((*account, staff.get(account)?))) {
                    let alike = self.alike(key, &document, staff);
                    if alike.any() {
                        alikes.insert((account, patient), alike);
                    }
                }
            }
        }
        Ok(alikes)
    }

    fn alike(&self, key: &PatientKey, document: &Document, staff: &Staff) -> Alike {
        let ask = |question: &dyn Fn(&Patient) -> bool| {
            self.sift_patient_doc(kinds::RECORDS, key, document, |patient: &Patient| question(patient)).unwrap_or(false)
        };
        // Most are like nobody: one question settles it.
        if !ask(&|patient| staff.has_family(patient) || staff.is_contact(patient)) {
            return Alike::default();
        }
        Alike {
            own: ask(&|patient| staff.is(patient)),
            family: ask(&|patient| staff.has_family(patient)),
            contact: ask(&|patient| staff.is_contact(patient)),
        }
    }
}

/// What is compared of a staff member.
pub(super) struct Staff {
    pub account: Account,
    name: StaffName,
}

impl Staff {
    fn has_family(&self, patient: &Patient) -> bool {
        patient.name.as_ref().is_some_and(|name| self.name.has_family(&normalise(name.family())))
    }
    fn is(&self, patient: &Patient) -> bool {
        patient.name.as_ref().is_some_and(|name| self.name.is(&normalise(name.family()), &normalise(name.given())))
    }
    /// The account's e-mail address is the patient's or stands with the next of kin, or the next of
    /// kin is the staff member by name.
    fn is_contact(&self, patient: &Patient) -> bool {
        let (email, kin) = (&patient.contacts.email, &patient.contacts.next_of_kin);
        let own = self.account.email.as_str();
        let split = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '(' | ')');
        email.eq_ignore_ascii_case(own)
            || kin.split(split).any(|part| part.eq_ignore_ascii_case(own))
            || self.name.stands_in(&normalise(kin))
    }
}
