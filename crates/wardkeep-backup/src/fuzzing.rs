//! A target over what lies in a place for backups. Not in the program: built for tests and by the
//! fuzzer alone.

use crate::manifest::Manifest;
use crate::portion::{MAGIC, decode, encode};

/// What a piece is read as is written the same.
pub fn piece(input: &[u8]) {
    for piece in [input.to_vec(), [MAGIC, input].concat()] {
        if let Ok(portions) = decode(&piece) {
            let mut written = MAGIC.to_vec();
            assert!(portions.iter().all(|rows| encode(rows, &mut written).is_ok()));
            assert_eq!(written, piece);
        }
    }
}

/// A manifest that is taken names files beside itself alone.
pub fn manifest(input: &[u8]) {
    if let Ok(manifest) = Manifest::parse(input, "20261127T061200Z-1a2b3c4d") {
        assert!(manifest.parts.values().flatten().all(|piece| !piece.file.contains(['/', '\\'])));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Result;

    use wardkeep_fuzzed::{MANY, over};

    #[test]
    fn pieces() -> Result<()> {
        over("piece", MANY, super::piece)
    }
    #[test]
    fn manifests() -> Result<()> {
        over("manifest", MANY, super::manifest)
    }
}
