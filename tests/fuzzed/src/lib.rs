//! Fuzz targets without a fuzzer: each is a function of bytes, run over the committed corpus and
//! over inputs changed at random from a fixed seed, in seconds and on stable. `fuzz/` runs the same
//! functions for as long as one likes.
//!
//! A target looks at what came out (nothing may panic, and what a parser accepts has the form that
//! it promises). The targets of domain and policy are here, those of use cases and pages in their
//! crates (`fuzzing.rs`), because they reach what nobody else can call.

pub mod domain;

use std::io;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// So many changed inputs for a target that takes microseconds.
pub const MANY: usize = 10_000;
/// Longest input in bytes.
const BYTES_MAX: usize = 4096;

/// What parsers trip over.
const DICTIONARY: &[&[u8]] = &[
    b"%",
    b"%00",
    b"%2f",
    b"%ff",
    b"&",
    b"=",
    b";",
    b"+",
    b"\0",
    b"\r\n",
    b"//",
    b"/../",
    b"\\",
    b"@",
    b".",
    b"..",
    b"-",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"1e999",
    b"-0",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\xff",
    b"\xc0\xaf",
    "\u{feff}".as_bytes(),
    "\u{130}".as_bytes(),
    "\u{df}".as_bytes(),
    "\u{301}".as_bytes(),
    "\u{202e}".as_bytes(),
    "٣".as_bytes(),
    "💜".as_bytes(),
    b"csrf",
    b"Bearer ",
    b"otpauth://",
    b"permit",
    b"forbid",
    b"@id(\"x\")",
    b"principal",
    b"when { context.",
];

/// Says which input it was when a target panics.
struct Trying<'a>(&'a [u8]);

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was {:?}", String::from_utf8_lossy(self.0));
            eprintln!("in bytes {:02x?}", self.0);
        }
    }
}

/// Runs a target over `fuzz/corpus/NAME` and over `times` changed inputs.
///
/// # Errors
/// When the corpus cannot be read or is empty.
pub fn over(name: &str, times: usize, target: impl Fn(&[u8])) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut paths = std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    // In one order on every machine: the seed is fixed.
    paths.sort();
    let corpus = paths.iter().map(std::fs::read).collect::<io::Result<Vec<_>>>()?;
    if corpus.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} holds nothing", folder.display())));
    }
    let mut chance = Chance(ChaCha8Rng::seed_from_u64(0x5745_4421));
    let run = |input: &[u8]| {
        let trying = Trying(input);
        target(trying.0);
    };
    corpus.iter().for_each(|input| run(input));
    for _ in 0..times {
        let mut input = chance.pick(&corpus);
        for _ in 0..=chance.below(4) {
            chance.change(&mut input, &corpus);
        }
        input.truncate(BYTES_MAX);
        run(&input);
    }
    Ok(())
}

struct Chance(ChaCha8Rng);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64()).unwrap_or(usize::MAX).checked_rem(bound).unwrap_or(0)
    }
    fn pick(&mut self, from: &[Vec<u8>]) -> Vec<u8> {
        let at = self.below(from.len());
        from.get(at).cloned().unwrap_or_default()
    }
    fn byte(&mut self) -> u8 {
        self.0.next_u64().to_le_bytes()[0]
    }
    /// One change: a bit, a byte, a piece taken out, doubled, put in, or another input's end.
    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = at + self.below(input.len() + 1 - at);
        match self.below(7) {
            0 => {
                let bit = 1 << self.below(8);
                input.get_mut(at).into_iter().for_each(|byte| *byte ^= bit);
            }
            1 => input.insert(at, self.byte()),
            2 => drop(input.drain(at..end)),
            3 => {
                let piece: Vec<u8> = input.iter().skip(at).take(end - at).copied().collect();
                drop(input.splice(at..at, piece));
            }
            4 | 5 => {
                let word = DICTIONARY.get(self.below(DICTIONARY.len())).copied().unwrap_or_default();
                drop(input.splice(at..at, word.iter().copied()));
            }
            _ => {
                input.truncate(at);
                let other = self.pick(corpus);
                let from = self.below(other.len() + 1);
                input.extend(other.into_iter().skip(from));
            }
        }
    }
}

/// The input as text; bytes that are none become U+FFFD.
#[must_use]
pub fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}
