//! Long documents in portions and segments: the same bytes, and no segment out of its place.

use proptest::prelude::*;
use wardkeep_ledger::Discloses;
use wardkeep_vault::stream::SEGMENT_PLAIN_BYTES;
use wardkeep_vault::{Context, OpenError, StreamOpener, StreamSealer, vault};

use crate::support::{ANNA, House, PLACE, covers, house, receipt, scripted, text};

const SALT: [u8; 24] = [0x5a; 24];

fn segments(house: &House, plain: &[u8], portions: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let mut sealer = StreamSealer::new(&house.anna, &PLACE, SALT).unwrap();
    let (mut made, mut rest) = (Vec::new(), plain);
    for portion in portions {
        let (now, later) = rest.split_at(portion.min(rest.len()));
        made.extend(sealer.push(now));
        rest = later;
    }
    made.extend(sealer.push(rest));
    let (last, summary) = sealer.finish();
    made.push(last);
    let whole = made.concat();
    assert_eq!(summary.plain_bytes, plain.len() as u64);
    assert_eq!(summary.plain_sha256, vault::digest(plain));
    assert_eq!(summary.sealed_bytes, whole.len() as u64);
    assert_eq!(summary.sealed_sha256, vault::digest(&whole));
    assert_eq!(summary.segments as usize, made.len());
    made
}

fn whole(house: &House, plain: &[u8]) -> Vec<u8> {
    house.vault.seal(&house.anna, &PLACE, plain, &mut scripted(&SALT))
}

fn opener(house: &House, segment: &[u8]) -> StreamOpener {
    StreamOpener::new(&house.anna, &PLACE, segment, &covers(ANNA)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_split_of_the_portions_gives_the_bytes_of_the_whole(
        length in 0usize..70_000,
        portions in proptest::collection::vec(0usize..20_000, 0..12),
    ) {
        let house = house();
        let plain = text(length);
        prop_assert_eq!(segments(&house, &plain, portions).concat(), whole(&house, &plain));
    }
}

#[test]
fn around_every_border_of_chunk_and_segment_the_bytes_are_those_of_the_whole() {
    let house = house();
    for length in [0, 1, 16383, 16384, 16385, 2 * 16384, SEGMENT_PLAIN_BYTES - 1, SEGMENT_PLAIN_BYTES, SEGMENT_PLAIN_BYTES + 1] {
        let plain = text(length);
        for portion in [usize::MAX, 16384, 16383, 4097] {
            let made = segments(&house, &plain, std::iter::repeat_n(portion, length / portion.max(1) + 1));
            assert_eq!(made.len(), length / SEGMENT_PLAIN_BYTES + 1, "{length}");
            assert!(made.concat() == whole(&house, &plain), "{length} by {portion}");
        }
    }
}

#[test]
fn segments_open_in_any_order_to_the_same_plaintext() {
    let house = house();
    let plain = text(2 * SEGMENT_PLAIN_BYTES + 20_000);
    let made = segments(&house, &plain, []);
    assert_eq!(made.len(), 3);
    let opener = opener(&house, &made[0]);
    for index in [2, 0, 1] {
        let opened = opener.open(index as u32, 3, &made[index]).unwrap();
        let end = plain.len().min((index + 1) * SEGMENT_PLAIN_BYTES);
        assert!(**opened == plain[index * SEGMENT_PLAIN_BYTES..end], "segment {index}");
    }
    let first_chunk_is_enough_for_the_header = &made[0][..57];
    let from_header = StreamOpener::new(&house.anna, &PLACE, first_chunk_is_enough_for_the_header, &covers(ANNA)).unwrap();
    assert!(from_header.open(2, 3, &made[2]).is_ok());
}

#[test]
fn a_segment_swapped_missing_doubled_or_cut_is_refused() {
    let house = house();
    let made = segments(&house, &text(2 * SEGMENT_PLAIN_BYTES + 20_000), []);
    let opener = opener(&house, &made[0]);
    for (index, given) in [(1, 2), (2, 1), (1, 0), (0, 1), (2, 0), (0, 2)] {
        assert!(opener.open(index, 3, &made[given]).is_err(), "segment {given} in place of {index}");
    }
    // The end cut off: the last one left is not a last one.
    assert_eq!(opener.open(1, 2, &made[1]).unwrap_err(), OpenError::Shape);
    assert_eq!(opener.open(0, 1, &made[0]).unwrap_err(), OpenError::Shape);
    // The last one is not a middle one, and nothing is empty.
    assert_eq!(opener.open(2, 4, &made[2]).unwrap_err(), OpenError::Shape);
    for index in [1, 2] {
        assert!(opener.open(index, 3, &[]).is_err());
        for cut in [1, 16, 16399, 16400, 16401] {
            let segment = &made[index as usize];
            assert!(opener.open(index, 3, &segment[..segment.len() - cut]).is_err(), "{index} without {cut}");
            assert!(opener.open(index, 3, &segment[cut..]).is_err(), "{index} from {cut}");
        }
        let doubled = [&made[index as usize][..], &made[index as usize]].concat();
        assert!(opener.open(index, 3, &doubled).is_err());
    }
}

#[test]
fn segments_of_another_document_are_refused() {
    let house = house();
    let plain = text(SEGMENT_PLAIN_BYTES + 5);
    let made = segments(&house, &plain, []);
    let mut other = StreamSealer::new(&house.anna, &PLACE, [0x5b; 24]).unwrap();
    let _ = other.push(&plain);
    assert_eq!(opener(&house, &made[0]).open(1, 2, &other.finish().0).unwrap_err(), OpenError::Tag);
}

#[test]
fn an_opener_needs_the_right_key_place_and_receipt() {
    let house = house();
    let made = segments(&house, b"hello", []);
    let refused = |key, place: &Context<'_>, receipt| StreamOpener::new(key, place, &made[0], &receipt).unwrap_err();
    assert_eq!(refused(&house.anna, &PLACE, receipt(Discloses::Nothing)), OpenError::NotCovered);
    assert_eq!(refused(&house.bert, &PLACE, covers(ANNA)), OpenError::NotCovered);
    assert_eq!(refused(&house.bert, &PLACE, receipt(Discloses::Everything)), OpenError::Commitment);
    assert_eq!(refused(&house.anna, &Context { field: "blob", ..PLACE }, covers(ANNA)), OpenError::Commitment);
    assert_eq!(StreamOpener::new(&house.anna, &PLACE, &made[0][..56], &covers(ANNA)).unwrap_err(), OpenError::Shape);
}

#[test]
fn the_last_segments_joined_into_one_are_refused() {
    let house = house();
    let plain = text(2 * SEGMENT_PLAIN_BYTES + 5);
    let made = segments(&house, &plain, []);
    let joined = opener(&house, &made[0]).open(1, 2, &made[1..].concat());
    assert_eq!(joined.unwrap_err(), OpenError::Shape);
}
