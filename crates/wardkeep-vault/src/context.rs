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

/// The context with everything the key adds, encoded.
pub(crate) struct Bound(pub Vec<u8>);

impl Context<'_> {
    /// Length-prefixed fields (u16 big endian): format, store, owner, kind, id, version, field,
    /// key id, epoch, schema.
    pub(crate) fn bind(&self, owner: &[u8; 16], key_id: &[u8], epoch: u32) -> Bound {
        let mut bytes = Vec::with_capacity(128);
        let fields: [&[u8]; 10] = [
            b"wardkeep-sealed/1",
            self.store.as_bytes(),
            owner,
            &self.kind.to_be_bytes(),
            &self.id,
            &self.version.to_be_bytes(),
            self.field.as_bytes(),
            key_id,
            &epoch.to_be_bytes(),
            &self.schema.to_be_bytes(),
        ];
        for field in fields {
            bytes.extend_from_slice(&u16::try_from(field.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(field);
        }
        Bound(bytes)
    }
}
