//! Sealing, opening, and everything that must not open.

use proptest::prelude::*;
use wardkeep_ledger::Discloses;
use wardkeep_vault::{OpenError, Purpose};

use crate::support::{ANNA, BERT, PLACE, counting, covers, house, receipt, scripted, text};

const HEADER: usize = 57;

#[test]
fn every_length_around_the_chunk_borders_comes_back() {
    let house = house();
    for length in [0, 1, 5, 16383, 16384, 16385, 2 * 16384 - 1, 2 * 16384, 2 * 16384 + 1, 100_000] {
        let plain = text(length);
        let sealed = house.vault.seal(&house.anna, &PLACE, &plain, &mut counting(3));
        assert_eq!(sealed.len(), HEADER + length + (length / 16384 + 1) * 16, "{length}");
        assert_eq!(*house.vault.open(&house.anna, &PLACE, &sealed, &covers(ANNA)).unwrap(), plain, "{length}");
        house.vault.check(&house.anna, &PLACE, &sealed).unwrap();
        let own = house.vault.seal_own(Purpose::Staff, &PLACE, &plain, &mut counting(3));
        assert_eq!(*house.vault.open_own(Purpose::Staff, &PLACE, &own).unwrap(), plain, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_come_back(plain in proptest::collection::vec(any::<u8>(), 0..40_000), salt in any::<[u8; 24]>()) {
        let house = house();
        let sealed = house.vault.seal(&house.anna, &PLACE, &plain, &mut scripted(&salt));
        prop_assert_eq!(&sealed[1..25], &salt);
        prop_assert_eq!(&*house.vault.open(&house.anna, &PLACE, &sealed, &covers(ANNA)).unwrap(), &plain);
    }
    #[test]
    fn any_rubbish_is_refused(rubbish in proptest::collection::vec(any::<u8>(), 0..200)) {
        let house = house();
        prop_assert!(house.vault.check(&house.anna, &PLACE, &rubbish).is_err());
        let with_suite = [&[1][..], &rubbish].concat();
        prop_assert!(house.vault.check(&house.anna, &PLACE, &with_suite).is_err());
    }
}

#[test]
fn every_changed_byte_is_refused_and_named_for_what_it_is() {
    let house = house();
    let sealed = house.vault.seal(&house.anna, &PLACE, b"hello", &mut counting(3));
    for at in 0..sealed.len() {
        let expected = match at {
            0 => OpenError::Shape,
            1..HEADER => OpenError::Commitment,
            _ => OpenError::Tag,
        };
        for change in 1..=255 {
            let mut other = sealed.clone();
            other[at] ^= change;
            let opened = house.vault.open(&house.anna, &PLACE, &other, &covers(ANNA));
            assert_eq!(opened.unwrap_err(), expected, "byte {at} changed by {change}");
        }
    }
}

#[test]
fn a_document_cut_at_any_place_is_refused() {
    let house = house();
    for length in [0, 5, 16384, 16385] {
        let sealed = house.vault.seal(&house.anna, &PLACE, &text(length), &mut counting(3));
        for cut in 0..sealed.len() {
            let expected = if cut < HEADER { OpenError::Shape } else { OpenError::Tag };
            assert_eq!(house.vault.check(&house.anna, &PLACE, &sealed[..cut]), Err(expected), "{length} cut to {cut}");
        }
    }
}

#[test]
fn a_byte_put_in_or_taken_out_at_any_place_is_refused() {
    let house = house();
    let sealed = house.vault.seal(&house.anna, &PLACE, b"hello", &mut counting(3));
    for at in 0..=sealed.len() {
        for byte in [0, 1, 0xff] {
            let longer = [&sealed[..at], &[byte], &sealed[at..]].concat();
            // Putting a byte beside its equal gives the same bytes but for the end: still longer, still refused.
            assert!(house.vault.check(&house.anna, &PLACE, &longer).is_err(), "{byte} at {at}");
        }
        if at < sealed.len() {
            let shorter = [&sealed[..at], &sealed[at + 1..]].concat();
            assert!(house.vault.check(&house.anna, &PLACE, &shorter).is_err(), "without {at}");
        }
    }
}

#[test]
fn a_document_that_goes_on_after_its_end_is_refused() {
    let house = house();
    for length in [0, 5, 16383, 16384, 16385] {
        let sealed = house.vault.seal(&house.anna, &PLACE, &text(length), &mut counting(3));
        for more in [1, 15, 16, 17, 16383, 16384, 16400, 16401, 2 * 16400] {
            let longer = [&sealed[..], &vec![0; more]].concat();
            assert!(house.vault.check(&house.anna, &PLACE, &longer).is_err(), "{length} and {more}");
        }
        let chunks = &sealed[HEADER..];
        assert!(house.vault.check(&house.anna, &PLACE, &[&sealed, chunks].concat()).is_err(), "{length} twice");
    }
}

#[test]
fn chunks_swapped_doubled_or_left_out_are_refused() {
    let house = house();
    let sealed = house.vault.seal(&house.anna, &PLACE, &vec![9; 3 * 16384 + 5], &mut counting(3));
    let (header, chunks) = sealed.split_at(HEADER);
    let parts: Vec<&[u8]> = chunks.chunks(16400).collect();
    for order in [&[1, 0, 2, 3][..], &[0, 2, 1, 3], &[0, 1, 2, 2, 3], &[0, 0, 1, 2, 3], &[0, 2, 3], &[1, 2, 3], &[0, 1, 2], &[3]] {
        let other: Vec<u8> = order.iter().fold(header.to_vec(), |made, &part| [&made[..], parts[part]].concat());
        assert_eq!(house.vault.check(&house.anna, &PLACE, &other), Err(OpenError::Tag), "{order:?}");
    }
}

#[test]
fn the_same_plaintext_sealed_twice_shares_no_bytes_of_salt_or_commitment() {
    let house = house();
    let mut random = counting(3);
    let one = house.vault.seal(&house.anna, &PLACE, b"hello", &mut random);
    let two = house.vault.seal(&house.anna, &PLACE, b"hello", &mut random);
    assert_ne!(one[1..25], two[1..25]);
    assert_ne!(one[25..57], two[25..57]);
    assert_ne!(one[57..], two[57..]);
}

#[test]
fn without_a_receipt_that_covers_the_patient_there_is_no_plaintext() {
    let house = house();
    let sealed = house.vault.seal(&house.anna, &PLACE, b"hello", &mut counting(3));
    for discloses in [Discloses::Nothing, Discloses::Owners(vec![]), Discloses::Owners(vec![BERT, [0; 16]])] {
        let opened = house.vault.open(&house.anna, &PLACE, &sealed, &receipt(discloses.clone()));
        assert_eq!(opened.unwrap_err(), OpenError::NotCovered, "{discloses:?}");
    }
    for discloses in [Discloses::Everything, Discloses::Owners(vec![BERT, ANNA])] {
        assert_eq!(**house.vault.open(&house.anna, &PLACE, &sealed, &receipt(discloses)).unwrap(), *b"hello");
    }
}

#[test]
fn sifting_answers_only_yes_or_no() {
    let house = house();
    let sealed = house.vault.seal(&house.anna, &PLACE, b"hello", &mut counting(3));
    assert!(house.vault.sift(&house.anna, &PLACE, &sealed, |plain| plain == b"hello").unwrap());
    assert!(!house.vault.sift(&house.anna, &PLACE, &sealed, |plain| plain == b"other").unwrap());
    assert_eq!(house.vault.sift(&house.bert, &PLACE, &sealed, |_| true), Err(OpenError::Commitment));
}

#[test]
fn keys_and_vaults_show_nothing_when_printed() {
    let house = house();
    assert_eq!(format!("{:?} {:?}", house.vault, house.anna), "Vault(…) PatientKey(…)");
}
