//! Portions against the committed vectors, and against whatever else comes.

use proptest::prelude::*;
use serde_json::Value;
use wardkeep_backup::portion::{MAGIC, ROWS_BYTES_MAX, decode, encode};
use wardkeep_ledger::tree::TileId;
use wardkeep_ledger::{EventId, Head, StreamId};
use wardkeep_store::receive::{End, Rows, Segment, Whole};
use wardkeep_store::{Beside, DocId, Document, Entry, Kind, Owner, Seq, Term, Version};

fn vectors() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/spec/vectors/backup.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn fixed<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn list<const N: usize>(value: &Value) -> Vec<[u8; N]> {
    value.as_array().unwrap().iter().map(fixed).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn stream(value: &Value) -> StreamId {
    StreamId::parse(value.as_str().unwrap()).unwrap()
}

fn document(row: &Value) -> Whole {
    let (seq, current) = (Seq(number(&row["sequence"])), row["current"] == 1);
    let terms = |name: &str| list(&row[name]).into_iter().map(Term).collect();
    let document = Document {
        kind: Kind(u16::try_from(number(&row["kind"])).unwrap()),
        id: DocId(fixed(&row["id"])),
        owner: Owner(fixed(&row["owner"])),
        version: Version(number(&row["version"])),
        seq,
        sealed: bytes(&row["sealed"]),
    };
    Whole { document, beside: Beside { seq, terms: terms("terms"), unique: terms("unique"), current } }
}

fn rows(given: &Value) -> Rows {
    let all = given["rows"].as_array().unwrap().iter();
    match given["portion"].as_str().unwrap() {
        "documents" => Rows::Documents(all.map(document).collect()),
        "numbers" => Rows::Counters(all.map(|row| (fixed(&row["key"]), number(&row["value"]))).collect()),
        "clock" => Rows::Clock(all.map(|row| (row["time"].as_i64().unwrap(), Seq(number(&row["sequence"])))).collect()),
        "segments" => {
            let segment = |row: &Value| Segment {
                blob: DocId(fixed(&row["file"])),
                owner: Owner(fixed(&row["owner"])),
                number: u32::try_from(number(&row["number"])).unwrap(),
                bytes: bytes(&row["sealed"]),
            };
            Rows::Files { segments: all.map(segment).collect(), whole: vec![] }
        }
        "files" => {
            Rows::Files { segments: vec![], whole: all.map(|row| (DocId(fixed(&row["file"])), Owner(fixed(&row["owner"])))).collect() }
        }
        "leaves" => {
            let leaf = |row: &Value| {
                let subject_number = (row["numbered"] == 1).then(|| number(&row["number"]));
                (EventId(fixed(&row["event"])), Entry { index: number(&row["index"]), leaf: bytes(&row["leaf"]), subject_number })
            };
            Rows::Leaves { stream: stream(&given["stream"]), leaves: all.map(leaf).collect() }
        }
        "tiles" => {
            let tile = |row: &Value| {
                let id = TileId { level: u8::try_from(number(&row["level"])).unwrap(), index: number(&row["index"]) };
                (id, list(&row["hashes"]))
            };
            Rows::Tiles { stream: stream(&given["stream"]), tiles: all.map(tile).collect() }
        }
        "end" => {
            let end = |row: &Value| End {
                stream: stream(&row["stream"]),
                head: Head { size: number(&row["size"]), root: fixed(&row["root"]) },
                boot: fixed(&row["run"]),
                next_sequence: number(&row["next"]),
            };
            Rows::End { seq: Seq(number(&given["sequence"])), streams: all.map(end).collect() }
        }
        other => panic!("{other}"),
    }
}

fn piece(rows: &[Rows]) -> Vec<u8> {
    let mut piece = MAGIC.to_vec();
    rows.iter().for_each(|rows| encode(rows, &mut piece).unwrap());
    piece
}

#[test]
fn the_committed_pieces_are_written_and_read() {
    let vectors = vectors();
    let pieces = vectors["pieces"].as_array().unwrap();
    assert!(pieces.len() >= 5);
    for case in pieces {
        let portions: Vec<Rows> = case["portions"].as_array().unwrap().iter().map(rows).collect();
        assert_eq!(hex::encode(piece(&portions)), case["hex"].as_str().unwrap(), "{}", case["name"]);
        assert_eq!(decode(&bytes(&case["hex"])), Ok(portions), "{}", case["name"]);
    }
}

#[test]
fn the_committed_malformed_pieces_are_refused() {
    for case in vectors()["refused"].as_array().unwrap() {
        assert!(decode(&bytes(&case["hex"])).is_err(), "{}", case["name"]);
    }
}

/// Segments and files of one portion of rows are two portions of a piece.
#[test]
fn files_are_split_into_segments_and_wholes() {
    let segment = Segment { blob: DocId([1; 16]), owner: Owner([2; 16]), number: 0, bytes: vec![3; 5] };
    let both = Rows::Files { segments: vec![segment.clone()], whole: vec![(segment.blob, segment.owner)] };
    let [first, second] = decode(&piece(&[both])).unwrap().try_into().unwrap();
    assert_eq!(first, Rows::Files { segments: vec![segment.clone()], whole: vec![] });
    assert_eq!(second, Rows::Files { segments: vec![], whole: vec![(segment.blob, segment.owner)] });
}

#[test]
fn a_portion_that_nothing_could_read_again_is_not_written() {
    let segment = |bytes: usize| Segment { blob: DocId([1; 16]), owner: Owner([2; 16]), number: 0, bytes: vec![3; bytes] };
    let beside = 16 + 16 + 4 + 4;
    for (bytes, fits) in [(ROWS_BYTES_MAX - beside, true), (ROWS_BYTES_MAX - beside + 1, false)] {
        let (rows, mut piece) = (Rows::Files { segments: vec![segment(bytes)], whole: vec![] }, MAGIC.to_vec());
        assert_eq!(encode(&rows, &mut piece).is_ok(), fits, "{bytes}");
        assert_eq!(decode(&piece).is_ok(), fits, "{bytes}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(tail in prop::collection::vec(any::<u8>(), 0..300), tag in 0_u8..10) {
        let length = u32::try_from(tail.len()).unwrap().to_be_bytes();
        for piece_bytes in [[MAGIC, &tail[..]].concat(), [MAGIC, &[tag][..], &length, &tail].concat()] {
            if let Ok(read) = decode(&piece_bytes) {
                prop_assert_eq!(piece(&read), piece_bytes);
            }
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_changes_what_is_read(at in 0_usize..10_000, to in any::<u8>()) {
        for case in vectors()["pieces"].as_array().unwrap() {
            let sound = bytes(&case["hex"]);
            let mut changed = sound.clone();
            let at = at % changed.len();
            changed[at] = to;
            if changed != sound {
                prop_assert_ne!(decode(&changed).ok(), decode(&sound).ok());
            }
        }
    }
}
