//! The hospital's own policy files on disk: read in the order of their names, refused whole.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardkeep_app::policies::Site;
use wardkeep_policy::site::{self, FILE_BYTES_MAX, FILES_MAX};
use wardkeep_policy::{Policy, PolicyError};

use crate::out::Failure;

/// The files that a hospital runs with; nobody but their owner may change them.
pub(crate) fn own(dir: Option<&Path>) -> Result<Site, Failure> {
    let Some(dir) = dir else { return Ok(Site::default()) };
    let site = read(dir)?;
    for path in std::iter::once(dir.to_owned()).chain(site.files.iter().map(|(name, _)| dir.join(name))) {
        let open = std::fs::metadata(&path).is_ok_and(|found| found.permissions().mode() & 0o022 != 0);
        if open {
            let fix = format!("run: chmod go-w {}", path.display());
            return Err(Failure::new(
                3,
                format!("{} says who may do what, and other users of this machine can change it: {fix}", path.display()),
            ));
        }
    }
    checked(&site)?;
    Ok(site)
}

/// The *.cedar files of a directory.
pub(crate) fn read(dir: &Path) -> Result<Site, Failure> {
    let unread = |path: &Path, error: std::io::Error| Failure::new(7, format!("{} cannot be read: {error}", path.display()));
    if !dir.is_dir() {
        return Err(Failure::new(4, format!("there is no directory {}: name the one that holds the policy files", dir.display())));
    }
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unread(dir, error))? {
        let path = entry.map_err(|error| unread(dir, error))?.path();
        if path.extension().is_some_and(|end| end == "cedar") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.len() > FILES_MAX {
        return Err(Failure::new(3, format!("{} holds more than {FILES_MAX} policy files: put rules together into fewer", dir.display())));
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Failure::new(3, format!("{} has a name that is no UTF-8: give it another", path.display())));
        };
        if std::fs::metadata(&path).map_err(|error| unread(&path, error))?.len() > FILE_BYTES_MAX {
            return Err(Failure::new(3, format!("{} is larger than {FILE_BYTES_MAX} bytes: split it", path.display())));
        }
        let bytes = std::fs::read(&path).map_err(|error| unread(&path, error))?;
        let text =
            String::from_utf8(bytes).map_err(|_| Failure::new(3, format!("{} is no UTF-8 text: save it as such", path.display())))?;
        files.push((name.to_owned(), text));
    }
    Ok(Site { files })
}

/// The rules with these files, or every fault.
pub(crate) fn checked(site: &Site) -> Result<Policy, Failure> {
    site::check(&site.files).map_err(|faults| {
        let message = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ");
        let details: Vec<Value> =
            faults.iter().map(|PolicyError::Invalid { file, cause, fix }| json!({"file": file, "cause": cause, "fix": fix})).collect();
        Failure { details: json!({ "faults": details }), ..Failure::new(3, message) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "@id(\"x\") @reason(\"X.\") permit (principal is Staff, action == Action::\"read_log\", resource);";

    #[test]
    fn files_come_in_the_order_of_their_names_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["20-b.cedar", "10-a.cedar", "README.md", "a.cedar.old"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("folder.cedar")).unwrap();
        let names: Vec<String> = read(dir.path()).unwrap().files.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["10-a.cedar", "20-b.cedar"]);
    }

    #[test]
    fn what_cannot_be_trusted_or_read_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.cedar");
        std::fs::write(&file, GOOD).unwrap();
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(dir.path(), 0o755);
        mode(&file, 0o644);
        assert_eq!(own(Some(dir.path())).unwrap().files.len(), 1);
        mode(&file, 0o646);
        let told = own(Some(dir.path())).unwrap_err();
        assert!(told.code == 3 && told.message.contains("chmod go-w") && told.message.contains("site.cedar"), "{told:?}");
        mode(&file, 0o600);
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(own(Some(dir.path())).unwrap_err().message.contains("UTF-8"));
        std::fs::write(&file, vec![b' '; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]).unwrap();
        assert!(own(Some(dir.path())).unwrap_err().message.contains("split it"));
        assert_eq!(own(Some(&dir.path().join("none"))).unwrap_err().code, 4);
    }
}
