//! What a sealed document is bound to. Swapping any field fails on the commitment.

/// The context fields of `docs/spec/sealed-document.md`. The owner is not here: it comes from the
/// key (`PatientKey` knows its patient; staff purposes have the zero owner), so it cannot differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context<'a> {
    /// Which store: `control` or `records`.
    pub store: &'a str,
    pub kind: u16,
    pub id: [u8; 16],
    pub version: u64,
    /// Part of the document, `""` for the whole, for example `blob`, `subject`, `actor`.
    pub field: &'a str,
    /// Version of the plaintext's own layout.
    pub schema: u16,
}
