//! Blind index terms: search without showing.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How many bits of a term are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TermBits {
    /// 128 bits: exact, unique ids (MRN, e-mail, event subject).
    Exact,
    /// Truncated to this many bits so that a bucket holds several rows; results are post-filtered.
    Bucket(u8),
}

/// Shortest and longest indexed prefix of a name, in letters.
pub const PREFIX_LETTERS: std::ops::RangeInclusive<usize> = 2..=6;
/// Most words of a name that are indexed.
const WORDS_MAX: usize = 8;

/// NFKD without marks, case folded (upper, then lower: "Weiß" and "WEISS" are one), apostrophes
/// dropped, other punctuation to blanks, blanks collapsed.
#[must_use]
pub fn normalise(text: &str) -> String {
    let plain = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c) && !matches!(c, '\'' | '\u{2019}' | '`'))
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase);
    let spaced: String = plain.map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Prefixes of 2 to 6 letters of every word of a normalised name; a one-letter word is its own prefix.
#[must_use]
pub fn prefixes(normalised: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in normalised.split(' ').filter(|word| !word.is_empty()).take(WORDS_MAX) {
        let letters = word.chars().count();
        let lengths = if letters < *PREFIX_LETTERS.start() {
            letters..=letters
        } else {
            *PREFIX_LETTERS.start()..=letters.min(*PREFIX_LETTERS.end())
        };
        found.extend(lengths.map(|length| word.chars().take(length).collect::<String>()));
    }
    found.sort();
    found.dedup();
    found
}

/// Cuts an HMAC to the asked bits, zero padded to 16 bytes.
pub(crate) fn cut(mac: &[u8], bits: TermBits) -> [u8; 16] {
    let mut term = [0; 16];
    for (to, from) in term.iter_mut().zip(mac) {
        *to = *from;
    }
    if let TermBits::Bucket(bits) = bits {
        for (at, byte) in term.iter_mut().enumerate() {
            let kept = usize::from(bits).saturating_sub(at * 8).min(8);
            *byte &= !(0xffu16 >> kept) as u8;
        }
    }
    term
}
