//! Witnesses: what one decides about a checkpoint (C2SP tlog-witness v1.0.0), and the cosignature that
//! says it (tlog-cosignature v1.0.1). Nothing here reads a clock, a file or the network.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError, NamedKey, VerifyingKey, plain_number, split, valid_name};
use crate::proof::check_consistency;
use crate::tree::{Hash, Head, root_of};

/// A timestamped Ed25519 cosignature.
const COSIGNATURE_KIND: u8 = 4;
/// More than a proof between two trees of up to 2^63 leaves holds.
const PROOF_HASHES_MAX: usize = 63;
/// Bytes of a request that is worth reading: a note in it has room for the witness's own line.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// A witness's signing key with its name in notes.
pub struct WitnessSigner {
    name: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for WitnessSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WitnessSigner({})", self.name)
    }
}

/// Public half, as vkey text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WitnessKey(NamedKey);

fn message(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

impl WitnessSigner {
    /// # Errors
    /// When the name has blanks or '+', or the key is refused.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, CheckpointError> {
        if !valid_name(name) {
            return Err(CheckpointError::Name);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| CheckpointError::Key)?;
        Ok(Self { name: name.to_owned(), pair })
    }
    #[must_use]
    pub fn key(&self) -> WitnessKey {
        WitnessKey(NamedKey::of(&self.name, COSIGNATURE_KIND, &self.pair))
    }
    /// The line that goes below a note: seconds since 1970, then the signature over them and the note's text.
    ///
    /// # Errors
    /// When that is no note.
    pub fn cosign(&self, note: &str, time_s: u64) -> Result<String, CheckpointError> {
        let (text, _) = split(note)?;
        let signature = self.pair.sign(message(text, time_s).as_bytes());
        Ok(self.key().0.line(&[&time_s.to_be_bytes()[..], signature.as_ref()].concat()))
    }
}

impl WitnessKey {
    /// # Errors
    /// When the text is no vkey of a witness.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        NamedKey::parse(text, COSIGNATURE_KIND).map(Self)
    }
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.to_text()
    }
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }
    /// When this witness saw the note, in seconds since 1970.
    ///
    /// # Errors
    /// When its cosignature is missing or does not hold.
    pub fn verify(&self, note: &str) -> Result<u64, CheckpointError> {
        let (text, signatures) = split(note)?;
        let (time, signature) =
            self.0.signature_in(&signatures).and_then(<[u8]>::split_first_chunk::<8>).ok_or(CheckpointError::Signature)?;
        let time_s = u64::from_be_bytes(*time);
        self.0.holds(message(text, time_s).as_bytes(), signature)?;
        Ok(time_s)
    }
}

/// What is asked of a witness: the size that it knows, the proof from there, the new checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    pub old: u64,
    pub proof: Vec<Hash>,
    pub note: &'a str,
}

/// Why a witness does not cosign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),
    #[error("this log is not one that is witnessed here")]
    UnknownLog,
    #[error("the checkpoint is not signed by the log's key")]
    Unsigned,
    /// The size of the newest checkpoint that was cosigned.
    #[error("another checkpoint was cosigned, of {0} entries")]
    Conflict(u64),
    #[error("the proof does not lead from the one to the other")]
    NoProof,
}

impl Refused {
    /// The status of HTTP that says it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Refused::Malformed(_) => 400,
            Refused::Unsigned => 403,
            Refused::UnknownLog => 404,
            Refused::Conflict(_) => 409,
            Refused::NoProof => 422,
        }
    }
}

impl<'a> Request<'a> {
    /// # Errors
    /// `Malformed`.
    pub fn parse(body: &'a str) -> Result<Self, Refused> {
        let (head, note) = body.split_once("\n\n").ok_or(Refused::Malformed("no empty line"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(plain_number);
        let old = old.ok_or(Refused::Malformed("no old size in plain form"))?;
        let hash = |line: &str| STANDARD.decode(line).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        let proof: Option<Vec<Hash>> = lines.map(hash).collect();
        let proof = proof.filter(|proof| proof.len() <= PROOF_HASHES_MAX).ok_or(Refused::Malformed("no proof in Base64 lines"))?;
        Ok(Self { old, proof, note })
    }

    #[must_use]
    pub fn to_text(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }

    /// The checkpoint, when one of these logs signed it for an origin of its own.
    ///
    /// # Errors
    /// `Malformed`, `UnknownLog`, `Unsigned`.
    pub fn checkpoint(&self, logs: &[VerifyingKey]) -> Result<Checkpoint, Refused> {
        let malformed = |_| Refused::Malformed("that is no checkpoint");
        let claimed = Checkpoint::parse(split(self.note).map_err(malformed)?.0).map_err(malformed)?;
        let own = |log: &&VerifyingKey| {
            let below = claimed.origin.strip_prefix(log.name());
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let log = logs.iter().find(own).ok_or(Refused::UnknownLog)?;
        Checkpoint::verify(self.note, log).map_err(|_| Refused::Unsigned)
    }

    /// May this checkpoint follow the last one that was cosigned for its origin?
    ///
    /// # Errors
    /// `Malformed`, `Conflict`, `NoProof`.
    pub fn extends(&self, last: Option<Head>, next: &Head) -> Result<(), Refused> {
        let last = last.unwrap_or(Head { size: 0, root: root_of(&[]) });
        if self.old > next.size {
            return Err(Refused::Malformed("the old size is beyond the checkpoint's"));
        }
        if self.old != last.size || (last.size == next.size && last.root != next.root) {
            return Err(Refused::Conflict(last.size));
        }
        let proven = match (last.size, last.size == next.size) {
            (0, _) | (_, true) => self.proof.is_empty(),
            _ => check_consistency(&last, next, &self.proof),
        };
        if proven { Ok(()) } else { Err(Refused::NoProof) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Signer;

    fn log(name: &str) -> Signer {
        Signer::from_seed(name, &[1; 32]).unwrap()
    }

    #[test]
    fn a_cosignature_holds_for_its_note_its_time_and_its_key_alone() {
        let (log, witness) = (log("wardkeep/one"), WitnessSigner::from_seed("vault.example", &[2; 32]).unwrap());
        let note = log.sign("wardkeep/one/records.main", &Head { size: 3, root: [4; 32] }, 1000);
        let line = witness.cosign(&note, 1_795_759_920).unwrap();
        let cosigned = format!("{note}{line}");
        assert_eq!(witness.key().verify(&cosigned), Ok(1_795_759_920));
        assert_eq!(WitnessKey::parse(&witness.key().to_text()), Ok(witness.key()));
        assert!(Checkpoint::verify(&cosigned, &log.verifying_key()).is_ok(), "for the log it is another's line");
        assert_eq!(witness.key().verify(&note), Err(CheckpointError::Signature));
        let other = WitnessSigner::from_seed("vault.example", &[3; 32]).unwrap();
        assert_eq!(other.key().verify(&cosigned), Err(CheckpointError::Signature));
        let moved = cosigned.replace("\n3\n", "\n4\n");
        assert_eq!(witness.key().verify(&moved), Err(CheckpointError::Signature));
        // A log's key is no witness's, and the other way round.
        assert!(WitnessKey::parse(&log.verifying_key().to_text()).is_err());
        assert!(VerifyingKey::parse(&witness.key().to_text()).is_err());
    }

    /// A worked example of the specification (tlog-cosignature, "Format") has this message.
    #[test]
    fn what_is_signed_is_the_time_and_the_text() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        assert_eq!(message(text, 1_679_315_147), format!("cosignature/v1\ntime 1679315147\n{text}"));
    }

    #[test]
    fn a_request_is_read_back_and_its_faults_are_told_apart() {
        let (one, two) = (log("wardkeep/one"), log("wardkeep/two"));
        let (first, second) = (Head { size: 0, root: root_of(&[]) }, Head { size: 5, root: [9; 32] });
        let note = one.sign("wardkeep/one/control.main", &second, 1);
        let request = Request { old: 0, proof: vec![], note: &note };
        let text = request.to_text();
        assert_eq!(Request::parse(&text), Ok(request.clone()));
        let logs = [one.verifying_key()];
        assert_eq!(request.checkpoint(&logs).unwrap().head, second);
        assert_eq!(request.checkpoint(&[two.verifying_key()]), Err(Refused::UnknownLog));
        let foreign = two.sign("wardkeep/one/control.main", &second, 1);
        assert_eq!(Request { note: &foreign, ..request.clone() }.checkpoint(&logs), Err(Refused::Unsigned));
        let near = two.sign("wardkeep/onerous", &second, 1);
        assert_eq!(Request { note: &near, ..request.clone() }.checkpoint(&logs), Err(Refused::UnknownLog));
        for bad in ["", "old 1\n", "old 01\n\nx\n", "old -1\n\nx\n", "size 1\n\nx\n", "old 1\nAAAA\n\nx\n"] {
            assert!(matches!(Request::parse(bad), Err(Refused::Malformed(_))), "{bad:?}");
        }
        let long = format!("old 1\n{}\n", (STANDARD.encode([0; 32]) + "\n").repeat(64));
        assert!(Request::parse(&long).is_err());
        assert_eq!(request.extends(None, &second), Ok(()));
        assert_eq!(request.extends(Some(first), &second), Ok(()));
        assert_eq!(request.extends(Some(second), &second), Err(Refused::Conflict(5)));
        let again = Request { old: 5, ..request.clone() };
        assert_eq!(again.extends(Some(second), &second), Ok(()));
        assert_eq!(again.extends(Some(Head { root: [8; 32], ..second }), &second), Err(Refused::Conflict(5)), "a fork");
        assert_eq!(Request { old: 6, ..request.clone() }.extends(Some(second), &second).unwrap_err().status(), 400);
        assert_eq!(Request { proof: vec![[0; 32]], ..request.clone() }.extends(None, &second), Err(Refused::NoProof));
        assert_eq!(Request { old: 3, ..request }.extends(Some(Head { size: 3, root: [1; 32] }), &second), Err(Refused::NoProof));
    }
}
