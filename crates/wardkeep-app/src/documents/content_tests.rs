//! Content recognition on files made by hand, a few bytes each.

use proptest::prelude::*;

use super::*;

fn chunk(name: &[u8; 4], data: &[u8], checksum: [u8; 4]) -> Vec<u8> {
    [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], name, data, &checksum].concat()
}

fn png_parts(width: u32, height: u32, pixels: &[u8]) -> [Vec<u8>; 4] {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header, [1, 2, 3, 4]),
        chunk(b"IDAT", pixels, [5, 6, 7, 8]),
        chunk(b"IEND", &[], [0xae, 0x42, 0x60, 0x82]),
    ]
}

fn png(width: u32, height: u32) -> Vec<u8> {
    png_parts(width, height, &[0x55; 20_000]).concat()
}

fn jpeg_segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &u16::try_from(data.len() + 2).unwrap().to_be_bytes(), data].concat()
}

fn jpeg_coded(width: u16, height: u16, coded: &[u8]) -> Vec<u8> {
    let frame = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[1, 1, 0x11, 0]].concat();
    [
        &[0xff, 0xd8][..],
        &jpeg_segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0"),
        // A preview that begins and ends like an image of its own.
        &jpeg_segment(0xe1, &[&[0xff, 0xd8][..], &[7; 9000], &[0xff, 0xd9]].concat()),
        &jpeg_segment(0xc0, &frame),
        &jpeg_segment(0xda, &[1, 1, 0, 0, 63, 0]),
        coded,
        &[0xff, 0xd9],
    ]
    .concat()
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    jpeg_coded(width, height, &[1, 2, 0xff, 0x00, 3, 0xff, 0xd0, 4, 0xff, 0xff, 0x00])
}

/// Pixels first, the directory behind them, as most programs write it.
fn tiff(little: bool, width: u32, height: u16) -> Vec<u8> {
    let two = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    let four = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    let pixels = [0x33; 10_000];
    let offset = 8 + u32::try_from(pixels.len()).unwrap();
    let start = if little { b"II*\0" } else { b"MM\0*" };
    [
        &start[..],
        &four(offset),
        &pixels,
        &two(2),
        &[two(256), two(4)].concat(),
        &[four(1), four(width)].concat(),
        &[two(257), two(3)].concat(),
        &four(1),
        &[two(height), two(0)].concat(),
        &four(0),
    ]
    .concat()
}

fn pdf() -> Vec<u8> {
    [&b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"[..], &[b' '; 9000], b"trailer\nstartxref\n0\n%%EOF\n"]
        .concat()
}

fn dicom() -> Vec<u8> {
    [&[0; 128][..], b"DICM", b"\x02\0\0\0UL\x04\0\x2e\0\0\0", &[9; 9000]].concat()
}

fn text() -> Vec<u8> {
    "Grüße aus der Augenklinik: Visus 0,8 – stabil.\r\n\tKontrolle in 3 Monaten. 😀\n".repeat(200).into_bytes()
}

fn sample(file_type: FileType) -> Vec<u8> {
    match file_type {
        FileType::Pdf => pdf(),
        FileType::Jpeg => jpeg(640, 480),
        FileType::Png => png(640, 480),
        FileType::Tiff => tiff(true, 640, 480),
        FileType::Dicom => dicom(),
        FileType::Text => text(),
    }
}

/// An empty archive's end record with a comment of `comment` bytes.
fn zip_tail(comment: u16) -> Vec<u8> {
    [&b"PK\x05\x06"[..], &[0; 16], &comment.to_le_bytes(), &vec![b'x'; usize::from(comment)]].concat()
}

fn in_portions<'a>(file_type: FileType, portions: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Wrong> {
    let mut content = Content::new(file_type);
    for portion in portions {
        content.push(portion)?;
    }
    content.finish()
}

fn verdict(file_type: FileType, bytes: &[u8]) -> Result<(), Wrong> {
    in_portions(file_type, [bytes])
}

#[test]
fn every_type_is_taken_under_its_own_name_alone() {
    for content in FileType::ALL {
        for name in FileType::ALL {
            let said = verdict(name, &sample(content));
            match (content == name, name) {
                (true, _) => assert_eq!(said, Ok(()), "{content:?}"),
                // Binary files are no UTF-8, or begin like themselves.
                (false, FileType::Text) => {
                    assert!(matches!(said, Err(Wrong::NotText | Wrong::NotAsNamed(_))), "{content:?} as text: {said:?}")
                }
                (false, _) => assert_eq!(said, Err(Wrong::NotAsNamed(name)), "{content:?} as {name:?}"),
            }
        }
    }
}

#[test]
fn less_usual_forms_of_good_files_are_taken() {
    assert_eq!(verdict(FileType::Tiff, &tiff(false, 640, 480)), Ok(()));
    assert_eq!(verdict(FileType::Text, b"x"), Ok(()));
    assert_eq!(verdict(FileType::Text, b"\xef\xbb\xbfBMI 27, PK 5, MZ twins <3"), Ok(()), "BOM; letters that begin other formats");
    let photo = [jpeg(640, 480), b"a camera's own notes".to_vec()].concat();
    assert_eq!(verdict(FileType::Jpeg, &photo), Ok(()), "bytes behind the end mark");
    let slide = [&tiff(true, 1, 1)[..8], &[0; 120], b"DICM", &[0; 50]].concat();
    assert_eq!(verdict(FileType::Dicom, &slide), Ok(()), "a slide that is a TIFF too");
    let noise = png_parts(640, 480, b"pixels that say <svg\x00\x01\x02 and PK\x05\x06\xff\xff by chance").concat();
    assert_eq!(verdict(FileType::Png, &noise), Ok(()), "signatures by chance");
    let early = [&pdf()[..], &zip_tail(0), &vec![b' '; 70_000], b"%%EOF"].concat();
    assert_eq!(verdict(FileType::Pdf, &early), Ok(()), "an attachment that no archive program finds from the end");
    let bigger = [pdf(), b"%%EOF\n\n\n".to_vec()].concat();
    assert_eq!(verdict(FileType::Pdf, &bigger), Ok(()));
}

#[test]
fn what_is_no_medical_file_is_refused_under_any_name() {
    let foreign: [(&str, &[u8]); 14] = [
        ("HTML", b"<!DOCTYPE html><html><body>hello</body></html>"),
        ("HTML after blanks", b"  \r\n<HTML><script>alert(1)</script>"),
        ("script", b"<script>alert(1)</script>"),
        ("SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        ("SVG after a declaration", b"<?xml version=\"1.0\"?><svg/>"),
        ("SVG after a BOM", b"\xef\xbb\xbf<svg onload=\"x()\"/>"),
        ("shell", b"#!/bin/sh\nrm -r x\n"),
        ("RTF", b"{\\rtf1\\ansi hello}"),
        ("PostScript", b"%!PS-Adobe-3.0\n"),
        ("mail archive", b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n"),
        ("ZIP", b"PK\x03\x04\x14\0\0\0\x08\0aaaaaaaaaaaaaaaaaaaa"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03abcdefgh"),
        ("Windows program", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0"),
        (
            "Linux program",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ),
    ];
    for (what, bytes) in foreign {
        for name in FileType::ALL {
            assert!(verdict(name, bytes).is_err(), "{what} as {name:?}");
        }
    }
}

#[test]
fn a_second_file_inside_is_refused() {
    let page = b"<html><body onload=\"x()\"></body></html>";
    for file_type in [FileType::Jpeg, FileType::Png, FileType::Tiff] {
        let with_page = [&sample(file_type)[..], page].concat();
        assert_eq!(verdict(file_type, &with_page), Err(Wrong::Mixed(file_type)), "{file_type:?} and a page");
    }
    for file_type in FileType::ALL.into_iter().filter(|file_type| *file_type != FileType::Text) {
        for comment in [0, 1, 65_535] {
            let with_archive = [sample(file_type), zip_tail(comment)].concat();
            let said = verdict(file_type, &with_archive);
            assert!(matches!(said, Err(Wrong::Mixed(_) | Wrong::Cut)), "{file_type:?} and an archive: {said:?}");
        }
        let with_rar = [&sample(file_type)[..], b"Rar!\x1a\x07\x01\0 and its entries"].concat();
        assert_eq!(verdict(file_type, &with_rar), Err(Wrong::Mixed(file_type)), "{file_type:?} and RAR");
    }
    assert_eq!(verdict(FileType::Pdf, &[pdf(), zip_tail(0)].concat()), Err(Wrong::Mixed(FileType::Pdf)));
    assert_eq!(verdict(FileType::Pdf, &[&pdf()[..], page].concat()), Err(Wrong::Mixed(FileType::Pdf)), "a page behind");
    let before = [&b"%PDF-1.4\n<script>alert(1)</script>\n"[..], &pdf()].concat();
    assert_eq!(verdict(FileType::Pdf, &before), Err(Wrong::Mixed(FileType::Pdf)), "a page at the start");
    let shifted = [&b"\n"[..], &pdf()].concat();
    assert_eq!(verdict(FileType::Pdf, &shifted), Err(Wrong::NotAsNamed(FileType::Pdf)), "a header that is not at byte 0");
    let comment = png_parts(640, 480, b"<SCRIPT>alert(1)</SCRIPT>").concat();
    assert_eq!(verdict(FileType::Png, &comment), Err(Wrong::Mixed(FileType::Png)), "a page inside");
    assert_eq!(verdict(FileType::Png, &[png(640, 480), vec![0]].concat()), Err(Wrong::Mixed(FileType::Png)), "anything behind a PNG");
    let mut program = dicom();
    program[..2].copy_from_slice(b"MZ");
    assert_eq!(verdict(FileType::Dicom, &program), Err(Wrong::NotAsNamed(FileType::Dicom)), "a program in the preamble");
    let mut script = dicom();
    script[..12].copy_from_slice(b"#!/bin/sh\nid");
    assert!(verdict(FileType::Dicom, &script).is_err(), "a script in the preamble");
    let mut moved = dicom();
    moved.insert(0, 0);
    assert_eq!(verdict(FileType::Dicom, &moved), Err(Wrong::NotAsNamed(FileType::Dicom)), "DICM at 129");
}

#[test]
fn a_cut_file_is_refused_wherever_it_was_cut() {
    for file_type in [FileType::Png, FileType::Jpeg] {
        let whole = sample(file_type);
        for length in (0..200).chain(whole.len() - 200..whole.len()).chain([8 * 1024, 8 * 1024 + 1]) {
            assert!(verdict(file_type, &whole[..length]).is_err(), "{file_type:?} cut to {length} of {}", whole.len());
        }
        assert_eq!(verdict(file_type, &whole[..whole.len() - 1]), Err(Wrong::Cut));
    }
    let whole = sample(FileType::Tiff);
    assert_eq!(verdict(FileType::Tiff, &whole[..whole.len() - 1]), Err(Wrong::Cut));
    assert_eq!(verdict(FileType::Pdf, &pdf()[..pdf().len() - 2]), Err(Wrong::Cut), "no %%EOF");
    assert_eq!(verdict(FileType::Pdf, &[pdf(), vec![b' '; 1100]].concat()), Err(Wrong::Cut), "%%EOF too far from the end");
    for file_type in FileType::ALL {
        assert_eq!(verdict(file_type, b""), Err(Wrong::Empty));
    }
}

#[test]
fn an_image_that_unpacks_to_too_much_is_refused() {
    assert_eq!(verdict(FileType::Png, &png(20_000, 10_000)), Ok(()), "exactly 200 megapixels");
    assert_eq!(verdict(FileType::Png, &png(20_000, 10_001)), Err(Wrong::TooManyPixels));
    assert_eq!(verdict(FileType::Png, &png(u32::MAX, u32::MAX)), Err(Wrong::TooManyPixels));
    assert_eq!(verdict(FileType::Jpeg, &jpeg(65_535, 65_535)), Err(Wrong::TooManyPixels));
    assert_eq!(verdict(FileType::Tiff, &tiff(true, u32::MAX, 60_000)), Err(Wrong::TooManyPixels));
    assert_eq!(verdict(FileType::Tiff, &tiff(false, 40_000, 5_001)), Err(Wrong::TooManyPixels));
    for (file_type, flat) in [(FileType::Png, png(0, 5)), (FileType::Jpeg, jpeg(5, 0)), (FileType::Tiff, tiff(true, 0, 5))] {
        assert_eq!(verdict(file_type, &flat), Err(Wrong::NotAsNamed(file_type)), "no pixels");
    }
}

#[test]
fn text_is_utf_8_without_control_characters() {
    let bad: [&[u8]; 8] = [
        b"a\0b",
        b"bell \x07",
        b"escape \x1b[31m",
        b"delete \x7f",
        "next line \u{85}".as_bytes(),
        b"latin \xe9t\xe9",
        b"cut \xe2\x82",
        b"\xff\xfea\0",
    ];
    for bytes in bad {
        assert_eq!(verdict(FileType::Text, bytes), Err(Wrong::NotText), "{bytes:?}");
        let late = [&vec![b'a'; 3 * BLOCK - 1][..], bytes].concat();
        assert_eq!(verdict(FileType::Text, &late), Err(Wrong::NotText), "{bytes:?} late");
    }
    // A character of four bytes over every place of a block's end.
    for before in BLOCK - 4..=BLOCK + 1 {
        let text = [&vec![b'a'; before][..], "😀".as_bytes()].concat();
        assert_eq!(verdict(FileType::Text, &text), Ok(()), "after {before} bytes");
    }
}

#[test]
fn a_signature_over_a_block_border_is_seen() {
    let [start, header, _, end] = png_parts(640, 480, &[]);
    let before = start.len() + header.len() + 8;
    for place in BLOCK - 40..=BLOCK + 40 {
        for mark in [&b"<iframe src=\"//x\">"[..], b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"] {
            let mut pixels = vec![0x55; 2 * BLOCK];
            pixels[place - before..place - before + mark.len()].copy_from_slice(mark);
            let file = [start.clone(), header.clone(), chunk(b"IDAT", &pixels, [0; 4]), end.clone()].concat();
            assert_eq!(verdict(FileType::Png, &file), Err(Wrong::Mixed(FileType::Png)), "{mark:?} at {place}");
        }
        let file = [&pdf()[..], &vec![b' '; BLOCK]].concat();
        let file = [&file[..2 * BLOCK - 60], b"%%EOF", &vec![b' '; place - (BLOCK - 40)], &zip_tail(0)].concat();
        assert_eq!(verdict(FileType::Pdf, &file), Err(Wrong::Mixed(FileType::Pdf)), "an archive's end near {place}");
    }
}

#[test]
fn one_byte_more_than_the_limit_is_refused_before_the_end() {
    let mut content = Content::new(FileType::Text);
    let portion = vec![b'a'; 1024 * 1024];
    for _ in 0..100 {
        content.push(&portion).unwrap();
    }
    assert_eq!(content.push(b"a"), Err(Wrong::TooLong));
    assert_eq!(content.push(b"a"), Err(Wrong::TooLong), "it stays refused");
    assert_eq!(content.finish(), Err(Wrong::TooLong));
}

#[test]
fn a_declared_type_may_be_silent_but_not_contradict() {
    let agrees = [
        (FileType::Pdf, "application/pdf"),
        (FileType::Pdf, ""),
        (FileType::Dicom, "application/octet-stream"),
        (FileType::Text, "Text/Plain; charset=UTF-8"),
        (FileType::Jpeg, " image/jpeg "),
    ];
    for (file_type, declared) in agrees {
        assert!(declared_agrees(declared, file_type), "{declared}");
    }
    let contradicts = [
        (FileType::Pdf, "text/html"),
        (FileType::Jpeg, "image/png"),
        (FileType::Png, "image/svg+xml"),
        (FileType::Text, "text/plain-html"),
        (FileType::Text, "text"),
        (FileType::Tiff, "application/zip"),
    ];
    for (file_type, declared) in contradicts {
        assert!(!declared_agrees(declared, file_type), "{declared}");
    }
}

/// Good and bad files of every type.
fn files() -> Vec<(FileType, Vec<u8>)> {
    let mut files: Vec<_> = FileType::ALL.map(|file_type| (file_type, sample(file_type))).into();
    files.extend(FileType::ALL.map(|file_type| (file_type, [sample(file_type), zip_tail(3)].concat())));
    files.extend(FileType::ALL.map(|file_type| (file_type, [&sample(file_type)[..], b"<html><script>x()</script>", &[0; 9000]].concat())));
    files.extend(FileType::ALL.map(|file_type| (file_type, sample(file_type)[..150].to_vec())));
    files.push((FileType::Png, png(60_000, 60_000)));
    files.push((FileType::Jpeg, jpeg_coded(10, 10, &[0xff, 0x00].repeat(9000))));
    files
}

proptest! {
    #[test]
    fn no_way_of_cutting_a_file_changes_the_verdict(
        which in 0..files().len(),
        sizes in proptest::collection::vec(prop_oneof![1..20_usize, 1..9000_usize, Just(BLOCK)], 1..20),
    ) {
        let (file_type, bytes) = files().swap_remove(which);
        let mut rest = bytes.as_slice();
        let mut portions = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(rest.len().min(*size));
            portions.push(now);
            rest = later;
        }
        prop_assert_eq!(in_portions(file_type, portions), verdict(file_type, &bytes));
    }
    #[test]
    fn no_bytes_at_all_trip_it(which in 0..6_usize, mut bytes in proptest::collection::vec(any::<u8>(), 0..400), keep in 0..40_usize) {
        // Random bytes behind a good beginning go deeper than random bytes alone.
        let file_type = FileType::ALL[which];
        let start = sample(file_type);
        bytes.splice(..0, start[..keep.min(start.len())].iter().copied());
        let _ = verdict(file_type, &bytes);
    }
}
