//! Walks an image from its first byte to its end mark as it streams past: how many pixels it
//! unpacks to, and whether it is whole. Reads a few bytes here and there and steps over the rest.

use wardkeep_domain::document::FileType;
use zeroize::Zeroizing;

use super::content::Wrong;

/// Most pixels that an image may unpack to.
const PIXELS_MAX: u64 = 200_000_000;
/// Most entries of a TIFF directory.
const TIFF_ENTRIES_MAX: u16 = 1024;
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What the walk waits for.
#[derive(Clone, Copy)]
enum At {
    PngStart,
    PngChunk,
    PngHeader,
    PngEnd,
    JpegStart,
    /// `FF` of a marker.
    JpegMark,
    /// The marker behind it.
    JpegMarker,
    JpegLength(u8),
    JpegFrame(u64),
    /// The byte after an `FF` among coded pixels.
    JpegCoded,
    TiffStart,
    TiffCount,
    TiffEntries,
}

/// How it goes on.
enum Next {
    /// Skip so many bytes, then read so many.
    Read {
        skip: u64,
        need: usize,
        at: At,
    },
    /// Go to the next `FF`, then read one byte.
    Coded,
    End,
}

fn read(need: usize, at: At) -> Result<Next, Wrong> {
    Ok(Next::Read { skip: 0, need, at })
}

pub(super) struct Walk {
    file_type: FileType,
    /// Absolute place of the next byte.
    place: u64,
    skip: u64,
    to_mark: bool,
    need: usize,
    got: Zeroizing<Vec<u8>>,
    at: At,
    ended: bool,
    measured: bool,
    little_endian: bool,
}

impl Walk {
    /// `None` for what is no image.
    pub(super) fn of(file_type: FileType) -> Option<Self> {
        let (need, at) = match file_type {
            FileType::Png => (8, At::PngStart),
            FileType::Jpeg => (2, At::JpegStart),
            FileType::Tiff => (8, At::TiffStart),
            FileType::Pdf | FileType::Dicom | FileType::Text => return None,
        };
        Some(Self {
            file_type,
            place: 0,
            skip: 0,
            to_mark: false,
            need,
            got: Zeroizing::new(Vec::new()),
            at,
            ended: false,
            measured: false,
            little_endian: false,
        })
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Wrong> {
        while !bytes.is_empty() {
            if self.ended {
                // Cameras put previews and notes behind a JPEG's end; behind a PNG's is nothing.
                return if self.file_type == FileType::Png { Err(Wrong::Mixed(FileType::Png)) } else { Ok(()) };
            }
            let take = if self.skip > 0 {
                let take = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                self.skip -= take as u64;
                take
            } else if self.to_mark {
                let mark = bytes.iter().position(|byte| *byte == 0xff);
                self.to_mark = mark.is_none();
                mark.map_or(bytes.len(), |mark| mark + 1)
            } else {
                let take = self.need.saturating_sub(self.got.len()).min(bytes.len());
                self.got.extend_from_slice(bytes.get(..take).unwrap_or_default());
                take
            };
            bytes = bytes.get(take..).unwrap_or_default();
            self.place += take as u64;
            while !self.ended && self.skip == 0 && !self.to_mark && self.got.len() == self.need {
                self.step()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), Wrong> {
        if self.ended && self.measured { Ok(()) } else { Err(Wrong::Cut) }
    }

    fn step(&mut self) -> Result<(), Wrong> {
        let got = std::mem::take(&mut self.got);
        let next = match self.at {
            At::PngStart | At::PngChunk | At::PngHeader | At::PngEnd => self.png(&got)?,
            At::TiffStart | At::TiffCount | At::TiffEntries => self.tiff(&got)?,
            _ => self.jpeg(&got)?,
        };
        match next {
            Next::Read { skip, need, at } => (self.skip, self.need, self.at) = (skip, need, at),
            Next::Coded => (self.to_mark, self.need, self.at) = (true, 1, At::JpegCoded),
            Next::End => self.ended = true,
        }
        Ok(())
    }

    fn strange(&self) -> Wrong {
        Wrong::NotAsNamed(self.file_type)
    }

    fn measure(&mut self, width: u64, height: u64) -> Result<(), Wrong> {
        self.measured = true;
        match width.checked_mul(height) {
            Some(0) => Err(self.strange()),
            Some(1..=PIXELS_MAX) => Ok(()),
            _ => Err(Wrong::TooManyPixels),
        }
    }

    /// Signature, then chunks: length, name, data, checksum.
    fn png(&mut self, got: &[u8]) -> Result<Next, Wrong> {
        match (self.at, got) {
            (At::PngStart, PNG_SIGNATURE) => read(8, At::PngChunk),
            (At::PngChunk, [0, 0, 0, 13, b'I', b'H', b'D', b'R']) if !self.measured => read(17, At::PngHeader),
            (At::PngHeader, [w0, w1, w2, w3, h0, h1, h2, h3, ..]) => {
                let side = |bytes| u64::from(u32::from_be_bytes(bytes));
                self.measure(side([*w0, *w1, *w2, *w3]), side([*h0, *h1, *h2, *h3]))?;
                read(8, At::PngChunk)
            }
            (At::PngChunk, [0, 0, 0, 0, b'I', b'E', b'N', b'D']) if self.measured => read(4, At::PngEnd),
            // The checksum of an empty end chunk.
            (At::PngEnd, [0xae, 0x42, 0x60, 0x82]) => Ok(Next::End),
            (At::PngChunk, [l0 @ 0..=0x7f, l1, l2, l3, ..]) if self.measured => {
                Ok(Next::Read { skip: u64::from(u32::from_be_bytes([*l0, *l1, *l2, *l3])) + 4, need: 8, at: At::PngChunk })
            }
            _ => Err(self.strange()),
        }
    }

    /// Start mark, then segments up to a scan; coded pixels up to the next mark; end mark.
    fn jpeg(&mut self, got: &[u8]) -> Result<Next, Wrong> {
        match (self.at, got) {
            (At::JpegStart, [0xff, 0xd8]) | (At::JpegMarker, [0x01 | 0xd0..=0xd7]) => read(1, At::JpegMark),
            (At::JpegMark, [0xff]) | (At::JpegMarker, [0xff]) => read(1, At::JpegMarker),
            (At::JpegMarker, [0xd9]) if !self.measured => Err(self.strange()),
            (At::JpegCoded, [0x00 | 0x01 | 0xd0..=0xd7]) => Ok(Next::Coded),
            (At::JpegCoded, [0xff]) => read(1, At::JpegCoded),
            (At::JpegMarker | At::JpegCoded, [0xd9]) => Ok(Next::End),
            (At::JpegMarker | At::JpegCoded, [marker @ 0xc0..=0xfe]) if *marker != 0xd8 => read(2, At::JpegLength(*marker)),
            (At::JpegLength(marker), [high, low]) => {
                let left = u64::from(u16::from_be_bytes([*high, *low])).checked_sub(2).ok_or(self.strange())?;
                match marker {
                    // A frame: precision, height, width. C4, C8 and CC are tables.
                    0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                        let behind = left.checked_sub(5).ok_or(self.strange())?;
                        read(5, At::JpegFrame(behind))
                    }
                    0xda if !self.measured => Err(self.strange()),
                    // The scan's head, then one byte of coded pixels or of a mark.
                    0xda => Ok(Next::Read { skip: left, need: 0, at: At::JpegCoded }),
                    _ => Ok(Next::Read { skip: left, need: 1, at: At::JpegMark }),
                }
            }
            (At::JpegFrame(behind), [_, h0, h1, w0, w1]) => {
                let side = |bytes| u64::from(u16::from_be_bytes(bytes));
                self.measure(side([*w0, *w1]), side([*h0, *h1]))?;
                Ok(Next::Read { skip: behind, need: 1, at: At::JpegMark })
            }
            (At::JpegCoded, []) => Ok(Next::Coded),
            _ => Err(self.strange()),
        }
    }

    /// Byte order, then directories. One that lies behind the walk cannot be looked at any more;
    /// the first one always lies ahead.
    fn tiff(&mut self, got: &[u8]) -> Result<Next, Wrong> {
        let two = |bytes: [u8; 2]| if self.little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
        let four = |bytes: [u8; 4]| if self.little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
        match (self.at, got) {
            (At::TiffStart, [order, _, _, _, offset @ ..]) => {
                self.little_endian = *order == b'I';
                let offset: [u8; 4] = offset.try_into().map_err(|_| self.strange())?;
                let offset = if self.little_endian { u32::from_le_bytes(offset) } else { u32::from_be_bytes(offset) };
                let skip = u64::from(offset).checked_sub(self.place).ok_or(self.strange())?;
                Ok(Next::Read { skip, need: 2, at: At::TiffCount })
            }
            (At::TiffCount, [c0, c1]) => match two([*c0, *c1]) {
                count @ 1..=TIFF_ENTRIES_MAX => read(usize::from(count) * 12 + 4, At::TiffEntries),
                _ => Err(self.strange()),
            },
            (At::TiffEntries, entries) => {
                let (mut width, mut height) = (None, None);
                for entry in entries.chunks_exact(12) {
                    let [t0, t1, y0, y1, _, _, _, _, a, b, c, d] = *entry else { continue };
                    let value = match two([y0, y1]) {
                        3 => u64::from(two([a, b])),
                        4 => u64::from(four([a, b, c, d])),
                        _ => continue,
                    };
                    match two([t0, t1]) {
                        256 => width = Some(value),
                        257 => height = Some(value),
                        _ => {}
                    }
                }
                let next = u64::from(entries.last_chunk::<4>().map_or(0, |next| four(*next)));
                let (width, height) = width.zip(height).ok_or(self.strange())?;
                self.measure(width, height)?;
                match next.checked_sub(self.place) {
                    Some(skip) => Ok(Next::Read { skip, need: 2, at: At::TiffCount }),
                    None => Ok(Next::End),
                }
            }
            _ => Err(self.strange()),
        }
    }
}
