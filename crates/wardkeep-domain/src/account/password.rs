//! Password rules of NIST SP 800-63B-4 section 3.1.1: length, a list of common passwords, the
//! user's own words; no composition rules, no expiry.

use zeroize::Zeroize;

use crate::FieldError;

/// A password as typed. Never shown, wiped on drop.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Shortest new password; every account has a second factor.
pub const LENGTH_MIN: usize = 8;
/// Longest password in characters.
pub const LENGTH_MAX: usize = 256;

impl Password {
    /// What was typed at sign-in: NFC-normalised, not judged (only over-long input is cut off).
    #[must_use]
    pub fn typed(text: &str) -> Self {
        use unicode_normalization::UnicodeNormalization;
        Self(text.nfc().take(LENGTH_MAX * 4).collect())
    }
    /// A new password. `own_words`: e-mail, names, the hospital's and product's name.
    ///
    /// # Errors
    /// When it is too short, too long, common, or built from the user's own words.
    pub fn new(text: &str, own_words: &[&str]) -> Result<Self, FieldError> {
        let _ = (text, own_words);
        todo!("domain helper")
    }
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
