//! Ids are types: swapping a patient and a record id does not compile.

use serde::{Deserialize, Serialize};

macro_rules! id_type {
    ($(#[$doc:meta] $name:ident),* $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Uuid::from_bytes(bytes))
            }
            #[must_use]
            pub fn bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }
            /// Reads the hyphenated lower-case form used in URLs.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                uuid::Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )*};
}

id_type! {
    /// A person who signs in.
    AccountId,
    /// A patient of the hospital.
    PatientId,
    /// A medical record (note, diagnosis …).
    RecordId,
    /// An uploaded file.
    DocumentId,
    /// A stroke assessment.
    AssessmentId,
    /// One sign-in that lasts.
    SessionId,
    /// An event of the log.
    LogEventId,
    /// One emergency access.
    EmergencyId,
    /// A patient's question about an entry of the log.
    QuestionId,
    /// One passkey of an account, in addresses of pages.
    PasskeyId,
    /// What somebody had typed when their session ran out.
    DraftId,
    /// A request for a second person's approval.
    RequestId,
    /// A service account.
    ServiceId,
}

/// UUIDv7 bytes from a time and ten random bytes (RFC 9562 section 5.7).
#[must_use]
pub fn uuid_v7(time_ms: i64, random: [u8; 10]) -> [u8; 16] {
    let millis = u64::try_from(time_ms).unwrap_or(0);
    *uuid::Builder::from_unix_timestamp_millis(millis, &random).as_uuid().as_bytes()
}
