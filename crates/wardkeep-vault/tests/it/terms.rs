//! Blind index terms, and how words are made ready for them.

use proptest::prelude::*;
use wardkeep_vault::TermBits::{Bucket, Exact};
use wardkeep_vault::term::{normalise, prefixes};

use crate::support::vault;

#[test]
fn a_term_is_steady_and_differs_by_store_kind_field_value_and_hospital() {
    let vault = vault(1);
    let cases: [(&str, u16, &str, &[u8]); 8] = [
        ("records", 1, "mrn", b"123"),
        ("control", 1, "mrn", b"123"),
        ("records", 2, "mrn", b"123"),
        ("records", 256, "mrn", b"123"),
        ("records", 1, "email", b"123"),
        ("records", 1, "mr", b"n123"),
        ("record", 1, "smrn", b"123"),
        ("records", 1, "mrn", b"124"),
    ];
    let mut terms: Vec<[u8; 16]> = cases.iter().map(|(store, kind, field, value)| vault.term(store, *kind, field, value, Exact)).collect();
    assert_eq!(terms[0], vault.term("records", 1, "mrn", b"123", Exact));
    terms.push(self::vault(4).term("records", 1, "mrn", b"123", Exact));
    terms.sort_unstable();
    terms.dedup();
    assert_eq!(terms.len(), cases.len() + 1);
}

#[test]
fn a_bucket_keeps_the_first_bits_and_clears_the_rest() {
    let vault = vault(1);
    let full = u128::from_be_bytes(vault.term("records", 1, "name", b"smith", Exact));
    for bits in 0..=255u8 {
        let mask = if bits == 0 { 0 } else { u128::MAX << 128u8.saturating_sub(bits) };
        let cut = u128::from_be_bytes(vault.term("records", 1, "name", b"smith", Bucket(bits)));
        assert_eq!(cut, full & mask, "{bits} bits");
    }
}

#[test]
fn names_are_normalised_as_the_table_says() {
    for (text, expected) in [
        ("", ""),
        ("  ", ""),
        ("Smith", "smith"),
        ("O'Brien", "obrien"),
        ("O\u{2019}Brien", "obrien"),
        ("O`Brien", "obrien"),
        ("Müller-Lüdenscheidt", "muller ludenscheidt"),
        ("Mu\u{308}ller", "muller"),
        ("  Anna   Maria ", "anna maria"),
        ("ÅSA", "asa"),
        ("İpek", "ipek"),
        ("Straße", "strasse"),
        ("Łukasz", "łukasz"),
        ("ﬁnn", "finn"),
        ("Ａｎｎａ", "anna"),
        ("St. John, Jr.", "st john jr"),
        ("Ward 12/B", "ward 12 b"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("tab\tand\nline", "tab and line"),
        ("!?*", ""),
    ] {
        assert_eq!(normalise(text), expected, "{text:?}");
    }
}

#[test]
fn prefixes_are_made_as_the_table_says() {
    let cases: [(&str, &[&str]); 7] = [
        ("", &[]),
        ("o", &["o"]),
        ("li", &["li"]),
        ("smith", &["sm", "smi", "smit", "smith"]),
        ("anderson", &["an", "and", "ande", "ander", "anders"]),
        ("anna ann", &["an", "ann", "anna"]),
        ("łuk x", &["x", "łu", "łuk"]),
    ];
    for (text, expected) in cases {
        assert_eq!(prefixes(text), expected, "{text:?}");
    }
    assert_eq!(prefixes("aa bb cc dd ee ff gg hh ii jj").len(), 8, "words after the eighth are not indexed");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_normalised_name_has_single_blanks_and_only_letters_and_digits(text in "\\PC{0,40}") {
        let done = normalise(&text);
        prop_assert!(done.chars().all(|c| c == ' ' || c.is_alphanumeric()));
        prop_assert!(!done.contains("  ") && done.trim() == done);
        for prefix in prefixes(&done) {
            prop_assert!(done.split(' ').any(|word| word.starts_with(&prefix)) && prefix.chars().count() <= 6);
        }
    }
}
