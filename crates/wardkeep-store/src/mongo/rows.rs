//! How contract types stand in BSON, both ways.

use std::collections::BTreeSet;

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document as Row, RawDocument};
use wardkeep_ledger::{Hash, StreamId};

use super::error::{Fail, damaged};
use crate::contract::{DocId, Document, Entry, Kind, Owner, Put, Seq, Term, Version};

/// Opaque bytes.
pub(crate) fn bin(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

/// `_id` of a document version: kind ‖ id ‖ version, big endian.
pub(crate) fn version_id(kind: Kind, id: DocId, version: Version) -> Bson {
    bin(&[&kind.0.to_be_bytes()[..], &id.0, &version.0.to_be_bytes()].concat())
}

/// `_id` of a unique term: kind ‖ term.
pub(crate) fn unique_id(kind: Kind, term: Term) -> Bson {
    bin(&[&kind.0.to_be_bytes()[..], &term.0].concat())
}

/// `_id` of a mark: kind ‖ id.
pub(crate) fn mark_id(kind: Kind, id: DocId) -> Bson {
    bin(&[&kind.0.to_be_bytes()[..], &id.0].concat())
}

/// `_id` of a blob segment: id ‖ segment.
pub(crate) fn segment_id(id: DocId, segment: u32) -> Bson {
    bin(&[&id.0[..], &segment.to_be_bytes()].concat())
}

pub(crate) fn kind(kind: Kind) -> Bson {
    Bson::Int32(i32::from(kind.0))
}

/// Numbers of the contract are counts; none comes near 2^63.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(crate) fn pack_terms(terms: &[Term]) -> Bson {
    bin(&terms.iter().flat_map(|term| term.0).collect::<Vec<u8>>())
}

/// Reads fields of a row that this program wrote; anything else is damage.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub &'a RawDocument);

pub(crate) fn changed(field: &str) -> Fail {
    damaged(&format!("the field {field} of a row was changed from outside; run `wardkeep verify --records`"))
}

impl<'a> Fields<'a> {
    pub(crate) fn bytes(self, field: &str) -> Result<&'a [u8], Fail> {
        self.0.get_binary(field).map(|binary| binary.bytes).map_err(|_| changed(field))
    }
    pub(crate) fn array<const N: usize>(self, field: &str) -> Result<[u8; N], Fail> {
        self.bytes(field)?.try_into().map_err(|_| changed(field))
    }
    pub(crate) fn number(self, field: &str) -> Result<u64, Fail> {
        self.0.get_i64(field).ok().and_then(|number| u64::try_from(number).ok()).ok_or_else(|| changed(field))
    }
    pub(crate) fn time(self, field: &str) -> Result<i64, Fail> {
        self.0.get_i64(field).map_err(|_| changed(field))
    }
    pub(crate) fn text(self, field: &str) -> Result<&'a str, Fail> {
        self.0.get_str(field).map_err(|_| changed(field))
    }
    pub(crate) fn flag(self, field: &str) -> Result<bool, Fail> {
        self.0.get_bool(field).map_err(|_| changed(field))
    }
    pub(crate) fn kind(self) -> Result<Kind, Fail> {
        self.0.get_i32("kind").ok().and_then(|kind| u16::try_from(kind).ok()).map(Kind).ok_or_else(|| changed("kind"))
    }
    pub(crate) fn terms(self, field: &str) -> Result<Vec<Term>, Fail> {
        match self.bytes(field)?.as_chunks::<16>() {
            (terms, []) => Ok(terms.iter().map(|term| Term(*term)).collect()),
            _ => Err(changed(field)),
        }
    }
    pub(crate) fn document(self) -> Result<Document, Fail> {
        Ok(Document {
            kind: self.kind()?,
            id: DocId(self.array("id")?),
            owner: Owner(self.array("owner")?),
            version: Version(self.number("version")?),
            seq: Seq(self.number("seq")?),
            sealed: self.bytes("sealed")?.to_vec(),
        })
    }
    pub(crate) fn entry(self) -> Result<Entry, Fail> {
        let subject_number = match self.0.get("number").map_err(|_| changed("number"))? {
            None => None,
            Some(_) => Some(self.number("number")?),
        };
        Ok(Entry { index: self.number("index")?, leaf: self.bytes("leaf")?.to_vec(), subject_number })
    }
    pub(crate) fn hashes(self) -> Result<Vec<Hash>, Fail> {
        match self.bytes("hashes")?.as_chunks::<32>() {
            (hashes, []) => Ok(hashes.to_vec()),
            _ => Err(damaged("a tile of the ledger is cut off")),
        }
    }
    pub(crate) fn stream(self, field: &str) -> Result<StreamId, Fail> {
        StreamId::parse(self.text(field)?).map_err(|_| damaged("a ledger stream has an impossible name"))
    }
}

/// A document version as it is first written: the current one, found by its terms.
pub(crate) fn document_row(put: &Put, seq: u64) -> Row {
    let find: BTreeSet<[u8; 16]> = put.terms.iter().chain(&put.unique).map(|term| term.0).collect();
    let mut row = Row::new();
    row.insert("_id", version_id(put.kind, put.id, put.version));
    row.insert("owner", bin(&put.owner.0));
    row.insert("kind", kind(put.kind));
    row.insert("id", bin(&put.id.0));
    row.insert("version", signed(put.version.0));
    row.insert("seq", signed(seq));
    row.insert("current", true);
    row.insert("find", find.iter().map(|term| bin(term)).collect::<Vec<_>>());
    row.insert("terms", pack_terms(&put.terms));
    row.insert("uniques", pack_terms(&put.unique));
    row.insert("sealed", bin(&put.sealed));
    row
}

/// What superseding does to a row that is not stored yet.
pub(crate) fn superseded(row: &mut Row) {
    row.insert("current", false);
    row.remove("find");
}

#[cfg(test)]
mod tests {
    use mongodb::bson::RawDocumentBuf;

    use super::*;

    fn put() -> Put {
        let (one, two) = (Term([1; 16]), Term([2; 16]));
        Put {
            kind: Kind(7),
            id: DocId([3; 16]),
            owner: Owner([4; 16]),
            version: Version(5),
            sealed: vec![6; 100],
            terms: vec![two, one, one],
            unique: vec![one],
        }
    }

    #[test]
    fn a_document_comes_back_as_it_was_put() {
        let row = RawDocumentBuf::try_from(&document_row(&put(), 9)).unwrap();
        let Put { kind, id, owner, version, sealed, terms, unique } = put();
        assert_eq!(Fields(&row).document().unwrap(), Document { kind, id, owner, version, seq: Seq(9), sealed });
        assert_eq!((Fields(&row).terms("terms").unwrap(), Fields(&row).terms("uniques").unwrap()), (terms, unique));
        assert_eq!(row.get_array("find").unwrap().into_iter().count(), 2, "each term is found once");
    }

    #[test]
    fn a_row_changed_from_outside_is_damage_and_no_panic() {
        for (field, value) in [("seq", Bson::Int64(-1)), ("kind", Bson::Int32(70_000)), ("id", bin(&[1; 3])), ("sealed", Bson::Null)] {
            let mut row = document_row(&put(), 9);
            row.insert(field, value);
            let row = RawDocumentBuf::try_from(&row).unwrap();
            let told = Fields(&row).document().unwrap_err().at("test", "reading").to_string();
            assert!(told.contains("damaged") && told.contains(field), "{told}");
        }
    }
}
