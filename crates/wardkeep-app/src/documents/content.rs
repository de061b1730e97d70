//! Is an uploaded file what its name and its sender say, and nothing else besides?
//!
//! Content is judged as it streams past, in blocks that lie at the same places however it arrives,
//! so that no way of cutting an upload into portions changes the verdict. What is kept of it is one
//! block and a short overlap, whatever the size.
//!
//! A type must be recognised at byte 0. Images are walked to their end; every binary type is
//! searched for an archive that reads from the file's end, images for markup too: a file that two
//! programs read as two things is refused.

use wardkeep_domain::FieldError;
use wardkeep_domain::document::{FILE_BYTES_MAX, FileType};
use zeroize::Zeroizing;

use super::walk::Walk;

/// Content is judged in blocks of this size; the first one holds all that tells a type.
const BLOCK: usize = 8 * 1024;
/// Bytes of the block before that a search sees again: what it looks for is shorter.
const OVERLAP: usize = 32;
/// An archive's end record lies this near to the end: 22 bytes and the longest comment.
const ZIP_END_MAX: u64 = 22 + 65_535;
/// A PDF's end marker lies in its last bytes (ISO 32000-1, annex H, note 18).
const PDF_END: usize = 1024;
/// Markup is taken for such when this many bytes of text follow: noise in pixels has none.
const MARKUP_TEXT: usize = 8;

/// Why a file is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    Empty,
    TooLong,
    /// Content or declared type is not that of the name.
    NotAsNamed(FileType),
    /// A second file behind, before or inside the first.
    Mixed(FileType),
    Cut,
    TooManyPixels,
    NotText,
}

impl From<Wrong> for FieldError {
    fn from(wrong: Wrong) -> Self {
        let words = match wrong {
            Wrong::Empty => "This file is empty. Choose another one.".to_owned(),
            Wrong::TooLong => "This file is larger than 100 MiB. Choose a smaller one.".to_owned(),
            Wrong::NotAsNamed(wanted) => {
                format!(
                    "This is not a {} file, although its name says so. Choose a PDF, JPEG, PNG, TIFF, DICOM or text file.",
                    short(wanted)
                )
            }
            Wrong::Mixed(wanted) => {
                format!(
                    "Something else, such as a web page or an archive, is inside this {} file. Save it anew and try again.",
                    short(wanted)
                )
            }
            Wrong::Cut => "This file is incomplete or damaged. Open it to check, then upload it again.".to_owned(),
            Wrong::TooManyPixels => "This image has more than 200 megapixels. Save it smaller.".to_owned(),
            Wrong::NotText => "This is not plain text: save it as UTF-8 without control characters.".to_owned(),
        };
        FieldError::new("file", words)
    }
}

fn short(file_type: FileType) -> &'static str {
    match file_type {
        FileType::Pdf => "PDF",
        FileType::Jpeg => "JPEG",
        FileType::Png => "PNG",
        FileType::Tiff => "TIFF",
        FileType::Dicom => "DICOM",
        FileType::Text => "text",
    }
}

/// Does a declared media type agree? One that says nothing is no contradiction.
pub(super) fn declared_agrees(declared: &str, file_type: FileType) -> bool {
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let names: &[&str] = match file_type {
        FileType::Pdf => &["application/pdf", "application/x-pdf"],
        FileType::Jpeg => &["image/jpeg", "image/jpg", "image/pjpeg"],
        FileType::Png => &["image/png", "image/x-png"],
        FileType::Tiff => &["image/tiff", "image/tif", "image/x-tiff"],
        FileType::Dicom => &["application/dicom", "image/dicom-rle", "image/x-dicom"],
        FileType::Text => &["text/plain"],
    };
    matches!(essence.as_str(), "" | "application/octet-stream") || names.contains(&essence.as_str())
}

/// A file's content on its way in.
pub(super) struct Content {
    file_type: FileType,
    /// The overlap with the block before, then the block that is filling up.
    window: Zeroizing<Vec<u8>>,
    overlap: usize,
    bytes: u64,
    /// Absolute place of the last plausible end record of a ZIP archive.
    zip_end: Option<u64>,
    walk: Option<Walk>,
    /// Last bytes of a PDF; the unfinished character of a text.
    tail: Zeroizing<Vec<u8>>,
    wrong: Option<Wrong>,
}

impl Content {
    pub(super) fn new(file_type: FileType) -> Self {
        Self {
            file_type,
            window: Zeroizing::new(Vec::with_capacity(OVERLAP + BLOCK)),
            overlap: 0,
            bytes: 0,
            zip_end: None,
            walk: Walk::of(file_type),
            tail: Zeroizing::new(Vec::new()),
            wrong: None,
        }
    }

    /// Takes the next portion. Once it was wrong it stays wrong.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Wrong> {
        while !bytes.is_empty() {
            self.sound()?;
            let room = (self.overlap + BLOCK).saturating_sub(self.window.len());
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.window.extend_from_slice(now);
            self.bytes = self.bytes.saturating_add(now.len() as u64);
            bytes = rest;
            if self.bytes > FILE_BYTES_MAX {
                self.wrong = Some(Wrong::TooLong);
            } else if now.len() == room {
                self.wrong = self.block().err();
            }
        }
        self.sound()
    }

    /// Judges the whole.
    pub(super) fn finish(mut self) -> Result<(), Wrong> {
        self.sound()?;
        if self.bytes == 0 {
            return Err(Wrong::Empty);
        }
        if self.window.len() > self.overlap {
            self.block()?;
        }
        if self.zip_end.is_some_and(|at| self.bytes - at <= ZIP_END_MAX) {
            return Err(Wrong::Mixed(self.file_type));
        }
        match self.file_type {
            FileType::Pdf => self.pdf_ends(),
            FileType::Text if !self.tail.is_empty() => Err(Wrong::NotText),
            _ => self.walk.map_or(Ok(()), Walk::finish),
        }
    }

    fn sound(&self) -> Result<(), Wrong> {
        self.wrong.map_or(Ok(()), Err)
    }

    /// Judges the block in the window and keeps its end for the next one.
    fn block(&mut self) -> Result<(), Wrong> {
        let window = std::mem::take(&mut self.window);
        let start = self.bytes - window.len() as u64;
        let block = window.get(self.overlap..).unwrap_or_default();
        if self.bytes == block.len() as u64 {
            recognise(self.file_type, block)?;
        }
        if let Some(walk) = &mut self.walk {
            walk.feed(block)?;
        }
        match self.file_type {
            FileType::Text => self.text(block)?,
            FileType::Pdf => self.keep_tail(block),
            _ => {}
        }
        if self.file_type != FileType::Text {
            self.search(&window, start)?;
        }
        let keep = window.len().saturating_sub(OVERLAP);
        self.window = window;
        self.window.drain(..keep);
        self.overlap = self.window.len();
        Ok(())
    }

    /// Looks for a second file inside.
    fn search(&mut self, window: &[u8], start: u64) -> Result<(), Wrong> {
        let image = matches!(self.file_type, FileType::Jpeg | FileType::Png | FileType::Tiff);
        for (at, byte) in window.iter().enumerate().filter(|(_, byte)| matches!(byte, b'<' | b'P' | b'R' | b'7')) {
            let rest = window.get(at..).unwrap_or_default();
            let hit = match byte {
                b'<' => image && is_markup(rest),
                b'R' => rest.starts_with(b"Rar!\x1a\x07"),
                b'7' => rest.starts_with(b"7z\xbc\xaf\x27\x1c"),
                _ => {
                    if zip_ends(rest, start + at as u64) {
                        self.zip_end = Some(start + at as u64);
                    }
                    false
                }
            };
            if hit {
                return Err(Wrong::Mixed(self.file_type));
            }
        }
        Ok(())
    }

    /// UTF-8 without control characters other than line breaks and tabs.
    fn text(&mut self, block: &[u8]) -> Result<(), Wrong> {
        let joined = Zeroizing::new([self.tail.as_slice(), block].concat());
        let good = match std::str::from_utf8(&joined) {
            Ok(_) => joined.len(),
            // A character that the block's end cut.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(Wrong::NotText),
        };
        let (good, rest) = joined.split_at_checked(good).unwrap_or_default();
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if std::str::from_utf8(good).map_err(|_| Wrong::NotText)?.chars().any(control) {
            return Err(Wrong::NotText);
        }
        self.tail = Zeroizing::new(rest.to_vec());
        Ok(())
    }

    fn keep_tail(&mut self, block: &[u8]) {
        self.tail.extend_from_slice(block);
        let drop = self.tail.len().saturating_sub(PDF_END);
        self.tail.drain(..drop);
    }

    /// The end marker is there, and no web page behind it.
    fn pdf_ends(&self) -> Result<(), Wrong> {
        let marker = b"%%EOF";
        let at = self.tail.windows(marker.len()).rposition(|bytes| bytes == marker).ok_or(Wrong::Cut)?;
        if holds_markup(self.tail.get(at..).unwrap_or_default()) { Err(Wrong::Mixed(FileType::Pdf)) } else { Ok(()) }
    }
}

/// The first block tells the type: the type library's opinion, and at which byte it must stand.
fn recognise(wanted: FileType, head: &[u8]) -> Result<(), Wrong> {
    let found = infer::get(head).map(|found| found.mime_type());
    let preamble = head.get(..128).unwrap_or(head);
    let agrees = match wanted {
        FileType::Pdf => head.starts_with(b"%PDF-") && found == Some("application/pdf"),
        FileType::Jpeg => found == Some("image/jpeg"),
        FileType::Png => found == Some("image/png"),
        // The library takes some directories for those of a camera's raw format.
        FileType::Tiff => (head.starts_with(b"II*\0") || head.starts_with(b"MM\0*")) && matches!(found, None | Some("image/tiff")),
        // The preamble may make a DICOM file a TIFF image too (PS3.10, section 7.1), nothing else.
        FileType::Dicom => head.get(128..132) == Some(b"DICM") && matches!(found, Some("application/dicom" | "image/tiff")),
        // The library would take any note that begins with "BM" for a picture.
        FileType::Text => !is_other_text(head),
    };
    let second = match wanted {
        FileType::Pdf => holds_markup(head.get(..PDF_END).unwrap_or(head)),
        FileType::Dicom => holds_markup(preamble) || preamble.starts_with(b"#!"),
        _ => false,
    };
    match (agrees, second) {
        (false, _) => Err(Wrong::NotAsNamed(wanted)),
        (true, true) => Err(Wrong::Mixed(wanted)),
        (true, false) => Ok(()),
    }
}

/// Text that a program reads as something else: markup, script, PDF, PostScript, RTF.
fn is_other_text(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let starts = |mark: &[u8]| text.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    let marks: [&[u8]; 7] = [b"<?xml", b"<!--", b"#!", b"%pdf-", b"%!ps", b"{\\rtf", b"mime-version:"];
    starts_markup(text) || marks.into_iter().any(starts)
}

/// Beginnings of what a browser or a server would run.
const MARKUP: [&[u8]; 6] = [b"<html", b"<!doctype", b"<script", b"<svg", b"<iframe", b"<?php"];

fn starts_markup(bytes: &[u8]) -> bool {
    MARKUP.iter().any(|mark| bytes.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark)))
}

/// Markup, and text after it.
fn is_markup(bytes: &[u8]) -> bool {
    let text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    MARKUP.iter().any(|mark| {
        bytes.split_at_checked(mark.len()).is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(mark) && rest.get(..MARKUP_TEXT).is_some_and(|rest| rest.iter().all(text))
        })
    })
}

fn holds_markup(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|at| bytes.get(at..).is_some_and(is_markup))
}

/// An end record of a ZIP archive at absolute place `at` (APPNOTE 4.3.16): a single disk whose
/// directory lies before it.
fn zip_ends(bytes: &[u8], at: u64) -> bool {
    let Some(record) = bytes.first_chunk::<22>() else { return false };
    let [b'P', b'K', 5, 6, 0, 0, 0, 0, here @ .., _, _] = record else { return false };
    let [n0, n1, all0, all1, s0, s1, s2, s3, ..] = *here;
    (n0, n1) == (all0, all1) && u64::from(u32::from_le_bytes([s0, s1, s2, s3])) <= at
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
