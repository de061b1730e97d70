//! Shapes that several areas share. Codes instead of labels, times in RFC 3339, ids as text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use wardkeep_app::integrity::{self, Badge};
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::date::Moment;
use wardkeep_domain::record::RecordType;
use wardkeep_domain::stroke::{Residence, Smoking, WorkType};
use wardkeep_domain::{FieldError, LogEventId, patient};

/// What a refused call answers.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "`crate::error` writes this shape; the document describes it")]
pub struct Problem {
    error: ProblemError,
    /// With `conflict`: the version now. Read it, then send again.
    #[schema(required = false)]
    current: Option<u64>,
    /// With `duplicates`: registered patients who look like the same person.
    #[schema(required = false)]
    duplicates: Option<Vec<super::patients::PatientLine>>,
    /// With `rows_refused`: the rows, and why.
    #[schema(required = false)]
    report: Option<super::stroke::ImportOutcome>,
}

/// Why a call was refused.
#[derive(ToSchema)]
#[expect(dead_code, reason = "`crate::error` writes this shape; the document describes it")]
pub struct ProblemError {
    /// Stable, for programs: `signed_out`, `step_up`, `denied`, `not_found`, `invalid`, `conflict`, `malformed` …
    code: String,
    /// What happened and what to do next.
    message: String,
    /// Id of the request; the same as in the header `x-request-id`.
    request: String,
    fields: Vec<ProblemField>,
}

/// What is wrong with one field of the body.
#[derive(ToSchema)]
#[expect(dead_code, reason = "`crate::error` writes this shape; the document describes it")]
pub struct ProblemField {
    field: String,
    message: String,
}

/// The id of what was made.
#[derive(Serialize, ToSchema)]
pub struct NewId {
    #[schema(format = "uuid")]
    pub id: String,
}

impl NewId {
    pub(crate) fn new(id: impl std::fmt::Display) -> Self {
        Self { id: id.to_string() }
    }
}

/// Voids something; its text stays readable.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidInput {
    /// The version that was read.
    pub version: u64,
    /// 5 to 500 characters.
    pub reason: String,
}

/// One of the checks behind a badge.
#[derive(Serialize, ToSchema)]
pub struct ProofCheck {
    pub ok: bool,
    pub words: String,
    pub fine_print: String,
}

/// How the log vouches for an entry.
#[derive(Serialize, ToSchema)]
pub struct Proof {
    pub checks: Vec<ProofCheck>,
    /// SHA-256 of the sealed bytes, hex.
    pub digest: String,
    pub event: String,
    pub stream: String,
    pub index: u64,
    /// Size and root hash (hex) of the signed head that it lies under; 0 and empty while it waits.
    pub tree_size: u64,
    pub root: String,
    #[schema(format = DateTime)]
    pub sealed_at: Option<String>,
}

impl From<integrity::Proof> for Proof {
    fn from(proof: integrity::Proof) -> Self {
        let check = |check: integrity::Check| ProofCheck { ok: check.ok, words: check.words, fine_print: check.fine_print };
        Self {
            checks: proof.checks.into_iter().map(check).collect(),
            digest: proof.digest,
            event: LogEventId::from_bytes(proof.event).to_string(),
            stream: proof.stream,
            index: proof.index,
            tree_size: proof.tree_size,
            root: proof.root,
            sealed_at: proof.sealed_at.map(Moment::rfc3339),
        }
    }
}

pub(crate) fn badge(badge: Badge) -> &'static str {
    match badge {
        Badge::Verified => "verified",
        Badge::VerifiedAmended => "verified_amended",
        Badge::WaitingForSeal => "waiting_for_seal",
        Badge::CheckFailed => "check_failed",
    }
}

/// A moment of RFC 3339.
pub(crate) fn moment(field: &'static str, text: &str) -> Result<Moment, FieldError> {
    let parsed = text.parse::<jiff::Timestamp>().map(|at| Moment(at.as_millisecond()));
    parsed.map_err(|_| FieldError::new(field, "Give the time as in RFC 3339, for example 2026-11-22T14:06:00Z."))
}

/// Where something stands, and why: `signed`, `amended` or `voided`.
pub(crate) type State = (&'static str, Option<String>);

fn codes(codes: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).build()
}

pub(crate) fn badges() -> Object {
    codes([Badge::Verified, Badge::VerifiedAmended, Badge::WaitingForSeal, Badge::CheckFailed].map(badge))
}
pub(crate) fn roles() -> Object {
    codes(Role::ALL.map(Role::code))
}
pub(crate) fn staff_roles() -> Object {
    codes(Role::STAFF.map(Role::code))
}
pub(crate) fn account_states() -> Object {
    codes(AccountState::ALL.map(AccountState::code))
}
pub(crate) fn sexes() -> Object {
    codes(patient::Sex::ALL.map(patient::Sex::code))
}
pub(crate) fn allergy_states() -> Object {
    codes(["not_recorded", "none_known", "known", "unable_to_ask"])
}
pub(crate) fn record_types() -> Object {
    codes(RecordType::ALL.map(RecordType::code))
}
pub(crate) fn states() -> Object {
    codes(["signed", "amended", "voided"])
}
pub(crate) fn document_states() -> Object {
    codes(["filed", "voided"])
}
pub(crate) fn genders() -> Object {
    codes(["Female", "Male", "Other"])
}
pub(crate) fn work_types() -> Object {
    codes(WorkType::ALL.iter().map(|work| work.code()))
}
pub(crate) fn residences() -> Object {
    codes(Residence::ALL.iter().map(|residence| residence.code()))
}
pub(crate) fn smokings() -> Object {
    codes(Smoking::ALL.iter().map(|smoking| smoking.code()))
}
pub(crate) fn outcomes() -> Object {
    codes(["success", "denied", "failed"])
}
pub(crate) fn classes() -> Object {
    codes(wardkeep_ledger::Class::ALL.iter().map(|(_, name)| *name))
}
pub(crate) fn healths() -> Object {
    codes(["ok", "warning", "failing"])
}
pub(crate) fn seconds_steps() -> Object {
    codes(["code", "enrol", "recovery"])
}
