//! The key file: made once, never overwritten, refused when it is not right.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use wardkeep_vault::{KeyFile, KeyProvider, ProviderError, Purpose, Vault};

use crate::support::{PLACE, counting, scripted};

const GOOD: &str = "wardkeep-root-key/1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";

fn written(folder: &Path, name: &str, text: &[u8], mode: u32) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_new_key_file_is_private_and_opens_to_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let made = KeyFile::create(&path, &mut scripted(&[7; 32])).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), GOOD);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    made.health().unwrap();
    let opened = KeyFile::open(&path).unwrap();
    assert_eq!(opened.key_id(), made.key_id());
    assert_eq!(opened.key_id().len(), 8);
    assert!(!format!("{opened:?}").contains("Bwc"), "the key is never printed");
}

#[test]
fn a_key_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "root.key", b"precious", 0o600);
    let refused = KeyFile::create(&path, &mut counting(1));
    assert!(matches!(refused, Err(ProviderError::Exists(_))), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let nowhere = KeyFile::create(&folder.path().join("no/such/folder"), &mut counting(1));
    assert!(matches!(nowhere, Err(ProviderError::Io { .. })), "{nowhere:?}");
}

#[test]
fn a_key_file_that_others_may_touch_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o640, 0o604, 0o644, 0o660, 0o601, 0o610, 0o620, 0o602, 0o777] {
        let path = written(folder.path(), &format!("{mode:o}"), GOOD.as_bytes(), mode);
        match KeyFile::open(&path) {
            Err(error @ ProviderError::Loose { .. }) => assert!(error.to_string().contains("chmod 600"), "{error}"),
            other => panic!("{mode:o}: {other:?}"),
        }
    }
    for mode in [0o600, 0o400] {
        KeyFile::open(&written(folder.path(), &format!("{mode:o}"), GOOD.as_bytes(), mode)).unwrap();
    }
    let path = written(folder.path(), "later", GOOD.as_bytes(), 0o600);
    let opened = KeyFile::open(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(opened.health(), Err(ProviderError::Loose { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(opened.health(), Err(ProviderError::Missing(_))));
}

#[test]
fn a_missing_or_malformed_key_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(KeyFile::open(&folder.path().join("none")), Err(ProviderError::Missing(_))));
    for (at, text) in [
        "",
        "wardkeep-root-key/1",
        "wardkeep-root-key/1\n",
        "wardkeep-root-key/2\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
        "wardkeep-root-key/1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\n",
        "wardkeep-root-key/1\nBwcHBwc=\n",
        "wardkeep-root-key/1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n",
        "wardkeep-root-key/1\n!!!\n",
        "wardkeep-root-key/1\n\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
    ]
    .into_iter()
    .enumerate()
    {
        let opened = KeyFile::open(&written(folder.path(), &at.to_string(), text.as_bytes(), 0o600));
        assert!(matches!(opened, Err(ProviderError::Malformed(_))), "{text:?}: {opened:?}");
    }
    let not_text = KeyFile::open(&written(folder.path(), "binary", &[0xff, 0xfe], 0o600));
    assert!(matches!(not_text, Err(ProviderError::Io { .. })), "{not_text:?}");
}

#[test]
fn a_store_key_opens_only_under_its_root_key_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let right = KeyFile::create(&folder.path().join("right"), &mut counting(1)).unwrap();
    let wrong = KeyFile::create(&folder.path().join("wrong"), &mut counting(2)).unwrap();
    let (vault, wrapped) = Vault::create(&right, &mut counting(3)).unwrap();
    let again = Vault::unlock(&right, &wrapped).unwrap();
    assert_eq!(again.key_id(), vault.key_id());
    let sealed = vault.seal_own(Purpose::Signing, &PLACE, b"seed", &mut counting(4));
    assert_eq!(**again.open_own(Purpose::Signing, &PLACE, &sealed).unwrap(), *b"seed");

    let refused = Vault::unlock(&wrong, &wrapped).unwrap_err();
    assert!(matches!(&refused, ProviderError::WrongKey(id) if *id == wrong.key_id()), "{refused}");
    assert!(right.unwrap(&wrapped, "another label").is_err());
    for at in 0..wrapped.len() {
        let mut other = wrapped.clone();
        other[at] ^= 0x80;
        assert!(Vault::unlock(&right, &other).is_err(), "byte {at}");
        assert!(Vault::unlock(&right, &wrapped[..at]).is_err(), "cut to {at}");
    }
}
