//! Portions of rows as bytes; docs/spec/backup.md is the format.

use wardkeep_ledger::tree::TileId;
use wardkeep_ledger::{EventId, Hash, Head, StreamId};
use wardkeep_store::receive::{End, Rows, Segment, Whole};
use wardkeep_store::{Beside, DocId, Document, Entry, Kind, Owner, Seq, Term, Version};

/// First bytes of a piece.
pub const MAGIC: &[u8; 4] = b"wkb1";
/// Most bytes of a portion's rows.
pub const ROWS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A piece that cannot be read. Names no data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    #[error("it is no piece of a backup, or of a newer program")]
    Magic,
    #[error("it is cut off")]
    CutOff,
    #[error("it holds a portion that this program does not know")]
    Tag,
    #[error("it holds a row that cannot be")]
    Row,
    #[error("it holds rows that are longer than a portion may be")]
    TooLong,
}

type Read<T> = Result<T, Malformed>;

struct Bytes<'a>(&'a mut Vec<u8>);

impl Bytes<'_> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn count(&mut self, count: usize) -> &mut Self {
        self.put(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes())
    }
    fn long(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).put(bytes)
    }
    fn number(&mut self, number: u64) -> &mut Self {
        self.put(&number.to_be_bytes())
    }
    fn terms(&mut self, terms: &[Term]) -> &mut Self {
        self.count(terms.len());
        terms.iter().for_each(|term| self.0.extend_from_slice(&term.0));
        self
    }
}

/// Adds one portion of `tag` with what `rows` writes.
fn portion(out: &mut Vec<u8>, tag: u8, rows: impl FnOnce(&mut Bytes<'_>)) -> Result<(), Malformed> {
    out.extend_from_slice(&[tag, 0, 0, 0, 0]);
    let start = out.len();
    rows(&mut Bytes(out));
    let length = out.len().saturating_sub(start);
    let prefix = u32::try_from(length).ok().filter(|_| length <= ROWS_BYTES_MAX).ok_or(Malformed::TooLong)?;
    if let Some(place) = out.get_mut(start.saturating_sub(4)..start) {
        place.copy_from_slice(&prefix.to_be_bytes());
    }
    Ok(())
}

/// Writes rows behind what is there. Rows come in portions of a few MiB; see [`Rows`].
///
/// # Errors
/// `TooLong` for a portion that nothing could read again; then what was written is of no use.
pub fn encode(rows: &Rows, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match rows {
        Rows::Documents(rows) => portion(out, 1, |out| rows.iter().for_each(|row| document(row, out))),
        Rows::Counters(rows) => portion(out, 2, |out| {
            rows.iter().for_each(|(key, value)| {
                out.put(key).number(*value);
            });
        }),
        Rows::Clock(rows) => portion(out, 3, |out| {
            rows.iter().for_each(|(time, seq)| {
                out.put(&time.to_be_bytes()).number(seq.0);
            });
        }),
        Rows::Files { segments, whole } => {
            if !segments.is_empty() {
                portion(out, 4, |out| {
                    segments.iter().for_each(|row| {
                        out.put(&row.blob.0).put(&row.owner.0).put(&row.number.to_be_bytes()).long(&row.bytes);
                    });
                })?;
            }
            if !whole.is_empty() {
                portion(out, 5, |out| {
                    whole.iter().for_each(|(id, owner)| {
                        out.put(&id.0).put(&owner.0);
                    });
                })?;
            }
            Ok(())
        }
        Rows::Leaves { stream, leaves } => portion(out, 6, |out| {
            out.long(stream.as_str().as_bytes());
            for (event, entry) in leaves {
                let number = entry.subject_number;
                out.put(&event.0).number(entry.index).put(&[u8::from(number.is_some())]).number(number.unwrap_or(0)).long(&entry.leaf);
            }
        }),
        Rows::Tiles { stream, tiles } => portion(out, 7, |out| {
            out.long(stream.as_str().as_bytes());
            for (tile, hashes) in tiles {
                out.put(&[tile.level]).number(tile.index).count(hashes.len());
                hashes.iter().for_each(|hash| out.0.extend_from_slice(hash));
            }
        }),
        Rows::End { seq, streams } => portion(out, 8, |out| {
            out.number(seq.0);
            for end in streams {
                out.long(end.stream.as_str().as_bytes()).number(end.head.size).put(&end.head.root);
                out.put(&end.boot).number(end.next_sequence);
            }
        }),
    }
}

fn document(Whole { document, beside }: &Whole, out: &mut Bytes<'_>) {
    out.number(document.seq.0).put(&document.kind.0.to_be_bytes()).put(&document.id.0).put(&document.owner.0);
    out.number(document.version.0).put(&[u8::from(beside.current)]);
    out.terms(&beside.terms).terms(&beside.unique).long(&document.sealed);
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::CutOff)?;
        self.0 = rest;
        Ok(taken)
    }
    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Malformed::CutOff)
    }
    fn number(&mut self) -> Read<u64> {
        self.array().map(u64::from_be_bytes)
    }
    fn length(&mut self) -> Read<usize> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }
    fn flag(&mut self) -> Read<bool> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Malformed::Row),
        }
    }
    fn long(&mut self) -> Read<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }
    /// Items of `N` bytes. What is asked for has to be there before room is made for it.
    fn list<const N: usize>(&mut self) -> Read<Vec<[u8; N]>> {
        let bytes = self.length()?.checked_mul(N).ok_or(Malformed::CutOff)?;
        Ok(self.take(bytes)?.as_chunks::<N>().0.to_vec())
    }
    fn terms(&mut self) -> Read<Vec<Term>> {
        Ok(self.list()?.into_iter().map(Term).collect())
    }
    fn stream(&mut self) -> Read<StreamId> {
        let name = std::str::from_utf8(self.long()?).map_err(|_| Malformed::Row)?;
        StreamId::parse(name).map_err(|_| Malformed::Row)
    }
    /// At least one row.
    fn rows<T>(&mut self, mut row: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut rows = vec![row(self)?];
        while !self.0.is_empty() {
            rows.push(row(self)?);
        }
        Ok(rows)
    }
}

/// The portions of a piece, in order.
///
/// # Errors
/// What [`Malformed`] says; then nothing of the piece is used.
pub fn decode(piece: &[u8]) -> Result<Vec<Rows>, Malformed> {
    let mut piece = Cursor(piece.strip_prefix(MAGIC).ok_or(Malformed::Magic)?);
    let mut portions = Vec::new();
    while !piece.0.is_empty() {
        let [tag] = piece.array()?;
        let length = piece.length()?;
        if length > ROWS_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let mut rows = Cursor(piece.take(length)?);
        portions.push(match tag {
            1 => Rows::Documents(rows.rows(whole)?),
            2 => Rows::Counters(rows.rows(|row| Ok((row.array()?, row.number()?)))?),
            3 => Rows::Clock(rows.rows(|row| Ok((i64::from_be_bytes(row.array()?), Seq(row.number()?))))?),
            4 => Rows::Files { segments: rows.rows(segment)?, whole: Vec::new() },
            5 => Rows::Files { segments: Vec::new(), whole: rows.rows(|row| Ok((DocId(row.array()?), Owner(row.array()?))))? },
            6 => Rows::Leaves { stream: rows.stream()?, leaves: rows.rows(leaf)? },
            7 => Rows::Tiles { stream: rows.stream()?, tiles: rows.rows(tile)? },
            8 => Rows::End { seq: Seq(rows.number()?), streams: rows.rows(end)? },
            _ => return Err(Malformed::Tag),
        });
    }
    Ok(portions)
}

fn whole(row: &mut Cursor<'_>) -> Read<Whole> {
    let (seq, kind) = (Seq(row.number()?), Kind(u16::from_be_bytes(row.array()?)));
    let (id, owner) = (DocId(row.array()?), Owner(row.array()?));
    let (version, current) = (Version(row.number()?), row.flag()?);
    let (terms, unique, sealed) = (row.terms()?, row.terms()?, row.long()?.to_vec());
    Ok(Whole { document: Document { kind, id, owner, version, seq, sealed }, beside: Beside { seq, terms, unique, current } })
}

fn segment(row: &mut Cursor<'_>) -> Read<Segment> {
    let (blob, owner) = (DocId(row.array()?), Owner(row.array()?));
    Ok(Segment { blob, owner, number: u32::from_be_bytes(row.array()?), bytes: row.long()?.to_vec() })
}

fn leaf(row: &mut Cursor<'_>) -> Read<(EventId, Entry)> {
    let (event, index, numbered, number) = (EventId(row.array()?), row.number()?, row.flag()?, row.number()?);
    if !numbered && number != 0 {
        return Err(Malformed::Row);
    }
    Ok((event, Entry { index, leaf: row.long()?.to_vec(), subject_number: numbered.then_some(number) }))
}

fn tile(row: &mut Cursor<'_>) -> Read<(TileId, Vec<Hash>)> {
    let [level] = row.array()?;
    Ok((TileId { level, index: row.number()? }, row.list()?))
}

fn end(row: &mut Cursor<'_>) -> Read<End> {
    let (stream, head) = (row.stream()?, Head { size: row.number()?, root: row.array()? });
    Ok(End { stream, head, boot: row.array()?, next_sequence: row.number()? })
}
