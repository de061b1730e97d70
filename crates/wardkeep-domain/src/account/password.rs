//! Password rules of NIST SP 800-63B-4 section 3.1.1: length, lists of passwords that are guessed
//! first, the user's own words; no composition rules, no expiry.

use std::collections::HashSet;
use std::sync::LazyLock;

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

/// Passwords of leaks, eight characters and longer, lower case, sorted, one a line.
const GUESSED: &str = include_str!("../../assets/guessed_passwords.txt");
/// What that list lacks: rows of one sign, and what people in hospitals choose.
const OWN_COMMON: &str = include_str!("../../assets/own_common_passwords.txt");

/// Both lists, made once: a look costs the same however long they are.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| GUESSED.lines().chain(OWN_COMMON.lines()).collect());

/// Letters and digits alone: `Northgate-General 1` is `northgategeneral1` to a guesser.
fn joined(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The user's own words, as a guesser would try them.
fn parts(word: &str) -> Vec<String> {
    let word = word.to_lowercase();
    let mut parts: Vec<String> =
        word.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() >= 4).map(str::to_owned).collect();
    parts.extend([joined(&word), word]);
    parts
}

/// The word with nothing much around it: fewer than four other characters that are no digits.
fn is_built_from(password: &str, word: &str) -> bool {
    if word.chars().count() < 4 {
        return false;
    }
    password.split_once(word).is_some_and(|(before, after)| before.chars().chain(after.chars()).filter(|c| c.is_alphabetic()).count() < 4)
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
        let password = Self::typed(text);
        let refused = |message: String| Err(FieldError::new("password", message));
        let length = text.chars().count();
        if password.0.chars().count() < LENGTH_MIN {
            return refused(format!("Use at least {LENGTH_MIN} characters. Three or four unrelated words work well."));
        }
        if length > LENGTH_MAX {
            return refused(format!("Use at most {LENGTH_MAX} characters; this has {length}."));
        }
        let folded = password.0.to_lowercase();
        let mut letters = folded.chars();
        let first = letters.next();
        if letters.all(|letter| Some(letter) == first) {
            return refused("One letter over and over is guessed first. Use several unrelated words.".to_owned());
        }
        if COMMON.contains(&*folded) {
            return refused("This is one of the passwords that are guessed first. Use several unrelated words.".to_owned());
        }
        let typed = [joined(&folded), folded];
        if own_words.iter().flat_map(|word| parts(word)).any(|part| typed.iter().any(|typed| is_built_from(typed, &part))) {
            return refused("Do not build it from your name, your address or the hospital's name.".to_owned());
        }
        Ok(password)
    }
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [&str; 3] = ["ana.moreau@example.org", "Dr Ana Moreau", "Northgate General Hospital"];

    fn refusal(text: &str) -> Option<String> {
        Password::new(text, &OWN).err().map(|error| error.message)
    }

    // ASVS 6.2.5, 6.2.9
    #[test]
    fn long_phrases_with_any_characters_are_taken() {
        for good in ["velvet orchard counts rain", "8 Bäume im Wind", "correcthorsebatterystaple", "moreau and three other horses"] {
            assert_eq!(refusal(good), None, "{good}");
        }
    }

    // ASVS 6.2.11
    #[test]
    fn short_common_repeated_and_own_words_are_refused_with_the_reason() {
        for (bad, why) in [
            ("short77", "at least 8"),
            ("Password123", "guessed first"),
            ("aaaaaaaaaaaa", "over and over"),
            ("moreau2026!", "your name"),
            ("northgate1", "your name"),
            ("NorthgateGeneralHospital7", "your name"),
            ("Northgate-General-Hospital", "your name"),
            ("ana-moreau-99", "your name"),
            ("ana.moreau@example.org", "your name"),
        ] {
            assert!(refusal(bad).unwrap_or_default().contains(why), "{bad}");
        }
        assert!(refusal(&"long ".repeat(60)).unwrap_or_default().contains("at most 256"));
    }

    // ASVS 6.2.4, 6.2.12
    #[test]
    fn every_password_of_the_lists_is_refused_and_none_is_too_short_to_matter() {
        let lines = || GUESSED.lines().chain(OWN_COMMON.lines());
        assert!(COMMON.len() >= 3_000 && lines().count() == COMMON.len(), "no line twice");
        assert!(lines().all(|line| line.chars().count() >= LENGTH_MIN && line == line.to_lowercase()));
        for line in lines() {
            for typed in [line.to_owned(), line.to_uppercase()] {
                let why = refusal(&typed).unwrap_or_default();
                assert!(why.contains("guessed first"), "{typed}");
            }
        }
    }
}
