//! The house of ARCHITECTURE.md: arrows, pure rooms, and things that may be at one place only.
//! The tables come first. A list of exceptions may shrink; to let it grow is a decision about the
//! house and belongs on that page too.

use std::collections::BTreeMap;

use crate::source::{files, none, packages, root, section, shipped};

/// Which of our crates a crate may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("wardkeep-domain", &[]),
    ("wardkeep-ledger", &[]),
    ("wardkeep-policy", &["wardkeep-domain"]),
    ("wardkeep-vault", &["wardkeep-ledger"]),
    ("wardkeep-store", &["wardkeep-ledger"]),
    ("wardkeep-backup", &["wardkeep-ledger", "wardkeep-vault", "wardkeep-store"]),
    ("wardkeep-app", &["wardkeep-domain", "wardkeep-policy", "wardkeep-ledger", "wardkeep-vault", "wardkeep-store"]),
    ("wardkeep-web", &["wardkeep-domain", "wardkeep-policy", "wardkeep-ledger", "wardkeep-app"]),
    (
        "wardkeep",
        &[
            "wardkeep-domain",
            "wardkeep-policy",
            "wardkeep-ledger",
            "wardkeep-vault",
            "wardkeep-store",
            "wardkeep-backup",
            "wardkeep-app",
            "wardkeep-web",
        ],
    ),
];

/// Libraries that bring a database, the network, a clock, chance or another program's words, and
/// the only crates that may use them.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("rusqlite", &["wardkeep-store"]),
    ("mongodb", &["wardkeep-store"]),
    ("cedar-policy", &["wardkeep-policy"]),
    ("aws-lc-rs", &["wardkeep-ledger", "wardkeep-vault"]),
    ("argon2", &["wardkeep-app"]),
    ("age", &["wardkeep-backup"]),
    ("object_store", &["wardkeep-backup"]),
    ("askama", &["wardkeep-web"]),
    ("axum", &["wardkeep-web", "wardkeep"]),
    ("http", &["wardkeep-web", "wardkeep"]),
    ("hyper", &["wardkeep-web", "wardkeep"]),
    ("hyper-util", &["wardkeep-web", "wardkeep"]),
    ("hyper-rustls", &["wardkeep"]),
    ("rustls", &["wardkeep"]),
    ("tower", &["wardkeep-web", "wardkeep"]),
    ("tower-http", &["wardkeep-web"]),
    ("tokio", &["wardkeep-store", "wardkeep-backup", "wardkeep-app", "wardkeep-web", "wardkeep"]),
    ("clap", &["wardkeep"]),
    ("getrandom", &["wardkeep"]),
    ("reqwest", &[]),
    ("ureq", &[]),
    ("rand", &[]),
    ("lazy_static", &[]),
];

/// Words that a room must not contain, outside its tests.
const PURE: &[(&str, &[&str])] = &[
    ("wardkeep-domain", &["std::fs", "std::net", "std::env", "std::process", "std::thread", "std::io", "SystemTime", "Instant", "::now()"]),
    ("wardkeep-policy", &["std::fs", "std::net", "std::env", "std::process", "std::thread", "std::io", "SystemTime", "Instant", "::now()"]),
    ("wardkeep-ledger", &["std::net", "std::process", "std::thread", "SystemTime", "Instant", "::now()", "SELECT "]),
    ("wardkeep-vault", &["std::net", "std::process", "std::thread", "SystemTime", "Instant", "::now()", "SELECT "]),
    ("wardkeep-app", &["TcpStream", "TcpListener", "UdpSocket", "std::process", "SystemTime", "Instant::", "::now()", "SELECT ", "Html"]),
    ("wardkeep-web", &["wardkeep_store", "wardkeep_vault", "std::fs", "std::process", "SystemTime", "Instant::", "SELECT "]),
];

/// What is written at one place: (what, words, the one file).
const ONE_PLACE: &[(&str, &str, &str)] = &[
    ("a receipt is minted after a durable commit", "Receipt::mint(", "crates/wardkeep-store/src/committer.rs"),
    ("whatever calls out takes one client", "Client::builder(", "crates/wardkeep/src/outbound.rs"),
    ("markup that is not escaped is made from fixed words", "HtmlSafe", "crates/wardkeep-web/src/pages/stroke/chart.rs"),
];

/// Files of the binary that may name a store or the vault: composition, and the words of its errors.
const COMPOSITION: [&str; 6] = [
    "crates/wardkeep/src/backups.rs",
    "crates/wardkeep/src/commands/key.rs",
    "crates/wardkeep/src/commands/store.rs",
    "crates/wardkeep/src/home.rs",
    "crates/wardkeep/src/house.rs",
    "crates/wardkeep/src/out.rs",
];

fn manifest(package: &str) -> String {
    std::fs::read_to_string(root().join("crates").join(package).join("Cargo.toml")).unwrap()
}

#[test]
fn every_crate_has_its_place_in_the_house() {
    let mut placed: Vec<&str> = ARROWS.iter().map(|(package, _)| *package).collect();
    placed.sort_unstable();
    assert_eq!(packages(), placed);
}

#[test]
fn arrows_only_point_down() {
    let mut found = Vec::new();
    for (package, allowed) in ARROWS {
        for dependency in section(&manifest(package), "dependencies") {
            if dependency.starts_with("wardkeep") && !allowed.contains(&dependency.as_str()) {
                found.push(format!("{package} -> {dependency}"));
            }
        }
    }
    none("these arrows are not in the architecture", &found);
}

#[test]
fn no_dependency_hides_in_another_section() {
    let mut found = Vec::new();
    for package in packages() {
        for line in manifest(&package).lines().filter(|line| line.starts_with('[') && line.contains("dependencies")) {
            if !["[dependencies]", "[dev-dependencies]"].contains(&line.trim()) {
                found.push(format!("{package}: {line}"));
            }
        }
    }
    none("the checks here read [dependencies] only", &found);
}

// ASVS 6.5.3
#[test]
fn databases_networks_clocks_and_chance_stay_in_their_rooms() {
    let mut found = Vec::new();
    for package in packages() {
        for dependency in section(&manifest(&package), "dependencies") {
            let rooms = LIBRARIES.iter().find(|(library, _)| *library == dependency).map(|(_, rooms)| *rooms);
            if rooms.is_some_and(|rooms| !rooms.contains(&package.as_str())) {
                found.push(format!("{package} uses {dependency}"));
            }
        }
    }
    none("these libraries are in the wrong room", &found);
}

#[test]
fn pure_rooms_stay_pure() {
    let mut found = Vec::new();
    for (package, words) in PURE {
        for file in shipped(package) {
            found.extend(words.iter().filter(|word| file.text.contains(**word)).map(|word| format!("{}: {word}", file.path)));
        }
    }
    none("these words must not be there", &found);
}

#[test]
fn only_the_use_cases_hold_a_store_and_only_the_composition_root_makes_one() {
    let files = shipped("wardkeep").into_iter().filter(|file| !COMPOSITION.contains(&file.path.as_str()));
    let found: Vec<String> =
        files.filter(|file| file.text.contains("wardkeep_store") || file.text.contains("wardkeep_vault")).map(|file| file.path).collect();
    none("the binary names a store or the vault outside its composition root", &found);
}

#[test]
fn what_may_be_at_one_place_is_at_one_place() {
    for (what, words, place) in ONE_PLACE {
        let mut found = BTreeMap::new();
        for package in packages() {
            for file in shipped(&package) {
                let times = file.text.matches(words).count();
                if times > 0 {
                    found.insert(file.path, times);
                }
            }
        }
        assert_eq!(found, BTreeMap::from([((*place).to_owned(), 1)]), "{what}");
    }
}

#[test]
fn a_permit_is_made_by_the_decision_only() {
    let declares = |line: &str| ["struct Permit", "impl Permit", "for Permit", "-> Permit"].iter().any(|words| line.contains(words));
    let mut found = Vec::new();
    for package in packages() {
        for file in shipped(&package) {
            found.extend(file.text.lines().filter(|line| line.contains("Permit {") && !declares(line)).map(|_| file.path.clone()));
        }
    }
    assert_eq!(found, ["crates/wardkeep-policy/src/decide.rs"]);
}

#[test]
fn every_crate_takes_the_lints_of_the_house_and_forbids_unsafe() {
    let house = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(house.contains("unsafe_code = \"forbid\""));
    for package in packages() {
        assert!(manifest(&package).contains("[lints]\nworkspace = true\n"), "{package} does not take the workspace's lints");
    }
}

#[test]
fn ghsa_6pmc_openemr_no_other_program_is_started() {
    let mut found = Vec::new();
    for package in packages() {
        for file in shipped(&package) {
            let words = ["process::Command", "Command::new(", "libc::", "posix_spawn", "execve"];
            found.extend(words.iter().filter(|word| file.text.contains(**word)).map(|word| format!("{}: {word}", file.path)));
        }
    }
    none("these start or could start another program", &found);
}

#[test]
fn no_lint_is_switched_off_without_a_reason() {
    // In pieces, so that this file passes itself.
    let attribute = ["[exp", "ect("].concat();
    let mut found = Vec::new();
    for file in files("crates", &[".rs"]).into_iter().chain(files("bench", &[".rs"])) {
        let bare = file.text.split(&attribute).skip(1).filter(|rest| !rest.split(")]").next().unwrap().contains("reason = "));
        found.extend(bare.map(|_| file.path.clone()));
    }
    none("an expected lint says why", &found);
}
