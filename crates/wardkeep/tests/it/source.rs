//! Reading the repository: files by kind, and the part of a Rust file that ships.

use std::path::{Path, PathBuf};

/// A file by its path from the repository's root.
pub(crate) struct File {
    pub path: String,
    pub text: String,
}

/// Folders that hold what others wrote or what a build made.
const NOT_OURS: [&str; 8] = ["bench-data", "target", "node_modules", ".git", "artifacts", "licenses", "demo-data", "wardkeep-data"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All files below a folder of the repository whose name ends with one of `endings`.
pub(crate) fn files(folder: &str, endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root().join(folder), endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(folder: &Path, endings: &[&str], found: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !NOT_OURS.contains(&name) {
                walk(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) && !name.ends_with(".min.js") {
            let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            // What is no text has no words.
            if let Ok(text) = std::fs::read_to_string(&path) {
                found.push(File { path: relative, text });
            }
        }
    }
}

/// Rust files of a crate that ship, without comments and without their tests.
pub(crate) fn shipped(package: &str) -> Vec<File> {
    let mut sources = files(&format!("crates/{package}/src"), &[".rs"]);
    sources.retain(|file| !file.path.ends_with("/tests.rs"));
    for file in &mut sources {
        file.text = code(&file.text);
    }
    assert!(!sources.is_empty(), "{package} has no sources: has it moved?");
    sources
}

fn code(text: &str) -> String {
    let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// Names of our crates.
pub(crate) fn packages() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("crates")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Keys of one section of a manifest.
pub(crate) fn section(manifest: &str, name: &str) -> Vec<String> {
    let head = format!("[{name}]");
    let lines = manifest.lines().skip_while(|line| line.trim() != head).skip(1).take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|key| !key.is_empty() && !key.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Fails with all findings at once.
pub(crate) fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}
