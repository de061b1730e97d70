//! Legal holds: a privacy officer says that a patient's record must not be erased, and lifts it again.

use wardkeep_domain::hold::Hold;
use wardkeep_domain::name::Mrn;
use wardkeep_domain::request::parse_reason;
use wardkeep_domain::{FieldErrors, PatientId};
use wardkeep_ledger::{Class, Discloses};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Find, Seq};
use wardkeep_vault::Purpose;

use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
use crate::envelope::Opened;
use crate::error::invalid;
use crate::{App, Ctx, Error, Result, kinds};

/// A hold that lasts.
#[derive(Clone)]
pub struct HoldRow {
    pub hold: Hold,
    /// `OKAFOR, Grace · MRN …`
    pub patient: String,
    pub placed_by: String,
}

impl App {
    /// The patient's hold, lifted or not.
    pub(crate) async fn hold_of(&self, patient: PatientId) -> Result<Option<Opened<Hold>>> {
        let document = self.control.get(kinds::LEGAL_HOLD, DocId(patient.bytes())).await?;
        document.map(|document| self.open_own_doc(kinds::CONTROL, Purpose::Staff, &document)).transpose()
    }

    fn put_hold(&self, act: &mut Act<'_>, version: u64, hold: &Hold) -> Result<()> {
        let lasts = hold.lasts().then(|| self.exact_term(kinds::CONTROL, kinds::LEGAL_HOLD, "state", b"lasts"));
        let id = DocId(hold.patient.bytes());
        act.put_own(Purpose::Staff, kinds::LEGAL_HOLD, id, version.saturating_add(1), hold, lasts.into_iter().collect(), Vec::new())
    }

    /// Holds that last, newest first. Names patients, so looking is an event.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn holds(&self, ctx: &Ctx, after: Option<u64>) -> Result<Page<HoldRow>> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let all_of = vec![self.exact_term(kinds::CONTROL, kinds::LEGAL_HOLD, "state", b"lasts")];
        let query = Find { kind: kinds::LEGAL_HOLD, all_of, before: after.map(Seq), since: None, limit: PAGE };
        let documents = self.control.find(&query).await?;
        let next = if documents.len() == PAGE { documents.last().map(|document| document.seq.0) } else { None };
        let open = |document| Ok(self.open_own_doc::<Hold>(kinds::CONTROL, Purpose::Staff, document)?.body);
        let holds = documents.iter().map(open).collect::<Result<Vec<Hold>>>()?;
        let patients: Vec<PatientId> = holds.iter().map(|hold| hold.patient).collect();
        let keys = self.patient_keys(&patients, ctx.now()).await?;
        let named: Vec<DocId> = patients.iter().map(|patient| DocId(patient.bytes())).collect();
        let mut act = Act::by(self, Side::Records, ctx, Class::LogRead)
            .permit(&permit)
            .discloses(Discloses::Owners(patients.iter().map(|patient| patient.bytes()).collect()))
            .detail("part", "legal holds");
        self.records.get_many(kinds::PATIENT, &named).await?.iter().for_each(|document| act.reads(document));
        let receipt = act.commit().await?;
        let labels = self.patient_labels(&keys, &receipt).await?;
        let names = self.display_names(&holds.iter().map(|hold| hold.placed_by).collect::<Vec<_>>()).await?;
        let row = |hold: Hold| HoldRow {
            patient: labels.get(&hold.patient).cloned().unwrap_or_else(|| "A patient".to_owned()),
            placed_by: names.get(&hold.placed_by).cloned().unwrap_or_else(|| "Not known".to_owned()),
            hold,
        };
        Ok(Page { items: holds.into_iter().map(row).collect(), next })
    }

    /// From now on the patient's record is not erased. `reason`: 20 to 500 characters.
    ///
    /// # Errors
    /// `Invalid` on `mrn` and `reason`, `Denied` (a fresh factor is needed).
    pub async fn place_hold(&self, ctx: &Ctx, mrn: &str, reason: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::HoldPatient, Resource::Hospital).await?;
        let mut errors = FieldErrors::new();
        let mrn = errors.take(Mrn::parse(mrn));
        let reason = errors.take(parse_reason(reason));
        let (mrn, reason) = errors.into_result(mrn.zip(reason))?;
        let found = self.patient_of_mrn(&mrn).await?.ok_or_else(|| invalid("mrn", "No patient has this MRN. Check the number."))?;
        let patient = PatientId::from_bytes(found.id.0);
        let before = self.hold_of(patient).await?;
        if before.as_ref().is_some_and(|before| before.body.lasts()) {
            return Err(invalid("mrn", "This patient's record is on hold already."));
        }
        let key = self.patient_key(patient, ctx.now()).await?;
        let hold = Hold { patient, placed_by: ctx.account_id(), placed_at: ctx.now(), lifted_at: None };
        let act = Act::by(self, Side::Control, ctx, Class::HoldPlaced).permit(&permit).subject(&key);
        let mut act = act.discloses(Discloses::Nothing).detail("reason", reason);
        self.put_hold(&mut act, before.map_or(0, |before| before.version), &hold)?;
        act.commit().await.map(|_| ())
    }

    /// The record may be erased again, by two persons as ever.
    ///
    /// # Errors
    /// `Denied`; `NotFound` when nothing is on hold.
    pub async fn lift_hold(&self, ctx: &Ctx, patient: PatientId) -> Result<()> {
        let permit = self.permit(ctx, Action::HoldPatient, Resource::Hospital).await?;
        let opened = self.hold_of(patient).await?.filter(|opened| opened.body.lasts()).ok_or(Error::NotFound)?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let act = Act::by(self, Side::Control, ctx, Class::HoldLifted).permit(&permit).subject(&key);
        let mut act = act.discloses(Discloses::Nothing);
        self.put_hold(&mut act, opened.version, &Hold { lifted_at: Some(ctx.now()), ..opened.body })?;
        act.commit().await.map(|_| ())
    }
}
