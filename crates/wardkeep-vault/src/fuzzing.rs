//! A target over sealed documents and typed shares. Not in the program: built for tests and by the fuzzer
//! alone.

use crate::context::{Bound, Context};
use crate::escrow;
use crate::seal::{open, seal};

const KEY: [u8; 32] = [7; 32];
/// Lengths of what was sealed once each, the second in two chunks.
const LENGTHS: [usize; 3] = [40, 16_400, 0];

fn bound() -> Bound {
    let context = Context { store: "records", kind: 7, id: [1; 16], version: 1, field: "", schema: 1 };
    context.bind(&[2; 16], &[3; 8], 1)
}

fn sealed(length: usize) -> Vec<u8> {
    let salt = [u8::try_from(length % 251).unwrap_or_default(); 24];
    seal(&KEY, &bound(), &vec![0x2a; length], &salt)
}

/// Nothing opens but what was sealed, byte for byte.
pub fn sealed_document(input: &[u8]) {
    if let Ok(plain) = open(&KEY, &bound(), input) {
        assert!(LENGTHS.contains(&plain.len()) && sealed(plain.len()) == input);
    }
}

/// Shares that are read back have the check that was printed.
pub fn share(input: &[u8]) {
    escrow::look(&String::from_utf8_lossy(input));
}

#[cfg(test)]
mod tests {
    use std::io::Result;

    use wardkeep_fuzzed::{MANY, over};

    #[test]
    fn sealed_documents() -> Result<()> {
        over("sealed_document", MANY, super::sealed_document)
    }
    #[test]
    fn shares() -> Result<()> {
        over("share", MANY, super::share)
    }
}
