//! The root key on paper: five shares, any three of which make it again, and any two of which tell
//! nothing (Shamir, "How to share a secret", 1979, over GF(2^8)).
//!
//! A share is 42 bytes, printed in hexadecimal so that nothing can be mistaken for anything else. Its
//! bytes are specified in `docs/spec/sealed-document.md` ("The root key on paper").

use std::path::Path;

use aws_lc_rs::digest;
use blahaj::Sharks;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::provider::{KeyFile, ProviderError, id_of, key_id};
use crate::vault::Random;

/// So many shares are printed.
pub const SHARES: usize = 5;
/// So many of them are needed.
pub const SHARES_NEEDED: u8 = 3;

const VERSION: u8 = 1;
const ID_BYTES: usize = 4;
/// One for the share's number, 32 for its part of the key.
const PART_BYTES: usize = 33;
const CHECK_BYTES: usize = 4;
const BYTES: usize = 1 + ID_BYTES + PART_BYTES + CHECK_BYTES;

/// A share that was typed.
struct Typed {
    key_id: String,
    part: Zeroizing<Vec<u8>>,
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = digest::digest(&digest::SHA256, &[b"wardkeep share\0".as_slice(), bytes].concat());
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

/// Digits count; blanks, hyphens and line ends do not.
fn parse(number: usize, text: &str) -> Result<Typed, ShareError> {
    let digits: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect());
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(ShareError::NotHex(number));
    }
    if digits.len() != 2 * BYTES {
        return Err(ShareError::Length { number, digits: digits.len(), needed: 2 * BYTES });
    }
    let bytes = Zeroizing::new(hex::decode(&*digits).map_err(|_| ShareError::NotHex(number))?);
    let (body, given) = bytes.split_at(BYTES - CHECK_BYTES);
    if check(body) != given {
        return Err(ShareError::Mistyped(number));
    }
    let (head, part) = body.split_at(1 + ID_BYTES);
    match head.split_first() {
        Some((&VERSION, id)) => Ok(Typed { key_id: hex::encode(id), part: Zeroizing::new(part.to_vec()) }),
        _ => Err(ShareError::Version(number)),
    }
}

/// For the fuzzer: a share that is taken is written the same.
#[cfg(any(test, fuzzing))]
pub(crate) fn look(text: &str) {
    if let Ok(typed) = parse(1, text) {
        let body = [&[VERSION][..], &hex::decode(typed.key_id).unwrap_or_default(), &typed.part].concat();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        assert_eq!(hex::encode([&body[..], &check(&body)].concat()), digits.to_ascii_lowercase());
    }
}

impl KeyFile {
    /// New shares of this key. Those printed before still fit together, among themselves alone.
    #[must_use]
    pub fn shares(&self, random: Random<'_>) -> Vec<Zeroizing<String>> {
        let mut seed = Zeroizing::new([0; 32]);
        random(seed.as_mut_slice());
        let mut chance = ChaCha20Rng::from_seed(*seed);
        let id = id_of(self.secret());
        let shares = Sharks(SHARES_NEEDED).dealer_rng(self.secret(), &mut chance).take(SHARES);
        shares
            .map(|share| {
                let part = Zeroizing::new(Vec::from(&share));
                let mut bytes = Zeroizing::new([&[VERSION][..], &id, &part].concat());
                let check = check(&bytes);
                bytes.extend_from_slice(&check);
                let groups: Vec<String> = bytes.chunks(2).map(hex::encode).collect();
                Zeroizing::new(groups.join("-"))
            })
            .collect()
    }

    /// Makes the key file again from shares that were typed; refuses to overwrite one.
    ///
    /// # Errors
    /// What is wrong with which share, counted from 1; as [`KeyFile::create`].
    pub fn recover(path: &Path, typed: &[&str]) -> Result<Self, ShareError> {
        let shares = typed.iter().enumerate().map(|(at, text)| parse(at + 1, text)).collect::<Result<Vec<Typed>, _>>()?;
        for (at, share) in shares.iter().enumerate() {
            if let Some(first) = shares.iter().take(at).position(|other| other.part.first() == share.part.first()) {
                return Err(ShareError::Twice { first: first + 1, second: at + 1 });
            }
            if let Some(first) = shares.first().filter(|first| first.key_id != share.key_id) {
                return Err(ShareError::OtherKey { number: at + 1, id: share.key_id.clone(), first: first.key_id.clone() });
            }
        }
        if shares.len() < usize::from(SHARES_NEEDED) {
            return Err(ShareError::TooFew { given: shares.len() });
        }
        let parts: Vec<blahaj::Share> = shares.iter().filter_map(|share| blahaj::Share::try_from(share.part.as_slice()).ok()).collect();
        let secret = Sharks(SHARES_NEEDED).recover(&parts).map(Zeroizing::new).map_err(|_| ShareError::DoNotFit)?;
        let key = Zeroizing::new(<[u8; 32]>::try_from(secret.as_slice()).map_err(|_| ShareError::DoNotFit)?);
        // Shares of two printings have the same id and do not fit together.
        if shares.iter().any(|share| share.key_id != key_id(&key)) {
            return Err(ShareError::DoNotFit);
        }
        Ok(Self::write(path, &key)?)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    #[error("share {0} holds something that is no digit of 0 to 9 and a to f: type it again")]
    NotHex(usize),
    #[error("share {number} has {digits} digits and needs {needed}: type it again")]
    Length { number: usize, digits: usize, needed: usize },
    #[error("share {0} is mistyped: its last digits do not fit the others")]
    Mistyped(usize),
    #[error("share {0} was printed by a newer version of this program: recover with that one")]
    Version(usize),
    #[error("shares {first} and {second} are the same one: find another")]
    Twice { first: usize, second: usize },
    #[error("share {number} belongs to the root key {id}, and share 1 to {first}: use shares of one key")]
    OtherKey { number: usize, id: String, first: String },
    #[error("{given} of the 3 shares that are needed: find another")]
    TooFew { given: usize },
    #[error("these shares do not fit together: they were printed at different times; use those of one printing")]
    DoNotFit,
    #[error(transparent)]
    File(#[from] ProviderError),
}
