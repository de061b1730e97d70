//! The month's identity: patient keys in backups are encrypted to it, and it is encrypted to the
//! hospital's recipient. Deleting it takes the patient keys out of all backups of the month.

use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use bytes::Bytes;

use crate::BackupError;
use crate::manifest::is_month;
use crate::target::Target;

fn file_of(month: &str) -> String {
    format!("windows/{month}")
}

/// The recipient in clear, and the sealed identity behind it.
fn parts(file: &[u8]) -> Option<(Recipient, &[u8])> {
    let end = file.iter().position(|byte| *byte == b'\n')?;
    let (line, sealed) = file.split_at_checked(end)?;
    Some((recipient(std::str::from_utf8(line).ok()?).ok()?, sealed.get(1..)?))
}

/// Reads a recipient, `age1…`.
///
/// # Errors
/// `Key` with the fix.
pub fn recipient(text: &str) -> Result<Recipient, BackupError> {
    Recipient::from_str(text.trim()).map_err(|_| {
        BackupError::Key("the recipient is no age recipient: it begins with age1; make one with “wardkeep backup key FILE”".to_owned())
    })
}

/// Reads an identity from the text of its file: comments, and a line `AGE-SECRET-KEY-1…`.
///
/// # Errors
/// `Key` with the fix.
pub fn identity(text: &str) -> Result<Identity, BackupError> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let identity = line.and_then(|line| Identity::from_str(line).ok());
    identity.ok_or_else(|| {
        BackupError::Key("the identity file holds no age identity: name the file that “wardkeep backup key” made".to_owned())
    })
}

/// A new identity: the text of its file, and its recipient.
#[must_use]
pub fn new_identity() -> (String, String) {
    let identity = Identity::generate();
    let recipient = identity.to_public().to_string();
    (format!("# public key: {recipient}\n{}\n", identity.to_string().expose_secret()), recipient)
}

/// The month's recipient; made when the month has none. Of two who make it at once one is first, and the
/// other takes that one's.
pub(crate) async fn of_month(target: &Target, month: &str, hospital: &Recipient) -> Result<Recipient, BackupError> {
    let file = file_of(month);
    if target.get(&file).await?.is_none() {
        let (text, public) = new_identity();
        let sealed = age::encrypt(hospital, text.as_bytes()).map_err(|error| BackupError::Internal(error.to_string()))?;
        target.put_new(&file, Bytes::from([public.as_bytes(), b"\n", &sealed].concat())).await?;
    }
    let found = target.get(&file).await?.unwrap_or_default();
    let how = "it holds no recipient; delete it, and the next backup makes another".to_owned();
    parts(&found).map(|(recipient, _)| recipient).ok_or(BackupError::Damaged { file, how })
}

/// The month's identity, for a restore.
pub(crate) async fn open(target: &Target, month: &str, hospital: &Identity) -> Result<Identity, BackupError> {
    let file = file_of(month);
    let found = target.get(&file).await?.ok_or_else(|| BackupError::Expired { window: month.to_owned() })?;
    let damaged = || BackupError::Damaged { file: file.clone(), how: "its recipient and its identity are no pair".to_owned() };
    let (public, sealed) = parts(&found).ok_or_else(damaged)?;
    let text = age::decrypt(hospital, sealed).map_err(|error| opening(&file, &error))?;
    let opened = identity(&String::from_utf8_lossy(&text)).map_err(|_| damaged())?;
    if opened.to_public() == public { Ok(opened) } else { Err(damaged()) }
}

/// What went wrong while decrypting a file of a backup.
pub(crate) fn opening(file: &str, error: &age::DecryptError) -> BackupError {
    match error {
        age::DecryptError::NoMatchingKeys => {
            BackupError::Key("this identity does not open the backup: name the one whose recipient the manifest names".to_owned())
        }
        _ => BackupError::Damaged { file: file.to_owned(), how: "it cannot be decrypted: it was changed".to_owned() },
    }
}

pub(crate) async fn exists(target: &Target, month: &str) -> Result<bool, BackupError> {
    Ok(target.get(&file_of(month)).await?.is_some())
}

/// Deletes the keys of months before `first`. Gives those months.
pub(crate) async fn forget_before(target: &Target, first: &str) -> Result<Vec<String>, BackupError> {
    let (_, months) = target.list("windows").await?;
    let old: Vec<String> = months.into_iter().filter(|month| is_month(month) && month.as_str() < first).collect();
    for month in &old {
        target.delete(&file_of(month)).await?;
    }
    Ok(old)
}
