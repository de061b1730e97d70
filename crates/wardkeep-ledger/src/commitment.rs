//! Salted commitments: what a leaf says about people and things without naming them.

use aws_lc_rs::hmac;
use zeroize::Zeroize;

/// 32 fresh random bytes per event. Kept sealed with the clear event; never in a leaf.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub struct Salt(pub [u8; 32]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// HMAC-SHA-256 under the event's salt over a label and length-prefixed fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Commitment(pub [u8; 32]);

impl Commitment {
    /// Commits to `fields` (each length-prefixed, u32 big endian) under `label`.
    #[must_use]
    pub fn new(salt: &Salt, label: Label, fields: &[&[u8]]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salt.0);
        let mut mac = hmac::Context::with_key(&key);
        mac.update(b"wardkeep-commitment/1");
        mac.update(&[label as u8]);
        mac.update(&u32::try_from(fields.len()).unwrap_or(u32::MAX).to_be_bytes());
        for field in fields {
            mac.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            mac.update(field);
        }
        let mut out = [0; 32];
        out.copy_from_slice(mac.sign().as_ref());
        Self(out)
    }
}

/// Which of the four commitments of a leaf; bound into the HMAC so that they cannot be swapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Label {
    Actor = 1,
    Subject = 2,
    Resource = 3,
    Detail = 4,
}
