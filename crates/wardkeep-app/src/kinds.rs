//! The numbers of document kinds, and which store and key each lives under.

use wardkeep_store::Kind;

/// Names of the two stores as they stand in sealing contexts and stream names.
pub const CONTROL: &str = "control";
pub const RECORDS: &str = "records";

// Control store.
/// The wrapped store key (id zero under the first root key, see `root_key.rs`).
pub const STORE_KEY: Kind = Kind(1);
/// The ledger's signing seed (id zero).
pub const SIGNING_KEY: Kind = Kind(2);
/// Hospital settings (id zero).
pub const HOSPITAL: Kind = Kind(3);
/// Wrapped patient keys (id = patient id).
pub const PATIENT_KEY: Kind = Kind(4);
pub const ACCOUNT: Kind = Kind(10);
/// Password hash, TOTP secret, passkeys, recovery codes (id = account id).
pub const CREDENTIALS: Kind = Kind(11);
/// Id = first 16 bytes of SHA-256 of the token.
pub const SESSION: Kind = Kind(12);
/// A sign-in that waits for its second step (id as for sessions).
pub const PENDING: Kind = Kind(13);
/// Set-up and invitation links, activation codes (id as for sessions).
pub const INVITATION: Kind = Kind(14);
/// Failure counters per address and per account and factor.
pub const THROTTLE: Kind = Kind(15);
pub const ALARM: Kind = Kind(16);
/// The hospital's units (id zero).
pub const UNITS: Kind = Kind(17);
/// Digest of the hospital's own policy files, as last started with (id zero).
pub const SITE_POLICIES: Kind = Kind(24);
/// What counts once, with its number: the answered question of a ceremony (the ticket's), a program's
/// signed assertion (of client id and `jti`).
pub const TICKET: Kind = Kind(19);
/// A request for a second person's approval (id = request id).
pub const REQUEST: Kind = Kind(20);
/// A legal hold (id = patient id).
pub const LEGAL_HOLD: Kind = Kind(26);
/// Which root key opens the hospital, and since when (id zero).
pub const ROOT_KEY: Kind = Kind(25);
/// A service account with its hashed secrets (id = client id).
pub const SERVICE: Kind = Kind(21);
/// An access token of a service account (id as for sessions).
pub const SERVICE_TOKEN: Kind = Kind(22);

// Records store.
/// Id = patient id.
pub const PATIENT: Kind = Kind(40);
/// Id = patient id; sealed under the staff purpose because authorisation reads it.
pub const CARE_TEAM: Kind = Kind(41);
pub const RECORD: Kind = Kind(42);
pub const DOCUMENT: Kind = Kind(43);
pub const ASSESSMENT: Kind = Kind(44);
/// An uploaded import file waiting for confirmation (blob, staff purpose).
pub const IMPORT_FILE: Kind = Kind(45);
/// Sealed blob of a document (id = document id).
pub const BLOB: Kind = Kind(46);
/// An emergency access in the review queue (staff purpose: it tells nothing of the chart).
pub const EMERGENCY: Kind = Kind(47);
/// A patient's question about an entry of the log.
pub const QUESTION: Kind = Kind(48);
/// The privacy officer's decision on an unusual access (staff purpose; its words are in the log).
pub const CASE: Kind = Kind(49);
/// What somebody had typed when their session ran out (staff purpose; the typed text lies sealed inside).
pub const DRAFT: Kind = Kind(50);

// Both stores.
/// Stands where a patient was (id = patient id).
pub const TOMBSTONE: Kind = Kind(91);
/// The clear event behind a leaf (id = event id).
pub const EVENT: Kind = Kind(90);

/// What a kind is called in reports.
#[must_use]
pub fn name(kind: Kind) -> &'static str {
    match kind {
        STORE_KEY => "store key",
        SIGNING_KEY => "signing key",
        HOSPITAL => "settings",
        PATIENT_KEY => "patient key",
        ACCOUNT => "account",
        CREDENTIALS => "credentials",
        SESSION => "session",
        PENDING => "pending sign-in",
        INVITATION => "invitation",
        THROTTLE => "throttle",
        ALARM => "alarm",
        UNITS => "units",
        SITE_POLICIES => "site policies",
        TICKET => "used ticket",
        REQUEST => "request",
        LEGAL_HOLD => "legal hold",
        ROOT_KEY => "root key",
        SERVICE => "service account",
        SERVICE_TOKEN => "service token",
        PATIENT => "patient",
        CARE_TEAM => "care team",
        RECORD => "record",
        DOCUMENT => "document",
        ASSESSMENT => "assessment",
        IMPORT_FILE => "import file",
        BLOB => "file",
        EMERGENCY => "emergency access",
        QUESTION => "question",
        CASE => "access case",
        DRAFT => "draft",
        TOMBSTONE => "tombstone",
        EVENT => "event",
        _ => "unknown",
    }
}
