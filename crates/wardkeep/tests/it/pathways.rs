//! Every way to a session, and whether `docs/sign-in.md` still says what the program does.

use std::collections::BTreeMap;

use wardkeep_app::accounts::{ACTIVATION_MS_MAX, INVITATION_MS_MAX, SETUP_MS_MAX};
use wardkeep_app::drafts::DRAFT_MS_MAX;
use wardkeep_app::sign_in::{HAPPENINGS_MAX, HASHING_MAX, PLACES_MAX, WRONG_TRIES_TOLD};
use wardkeep_app::throttle::{ACCOUNT_FREE, ADDRESS_FREE, DISABLED_AT, WAIT_S_MAX};
use wardkeep_domain::account::password::{LENGTH_MAX, LENGTH_MIN};
use wardkeep_domain::account::session::{ABSOLUTE_MS_MAX, IDLE_MS, IDLE_MS_RANGE, PATIENT_IDLE_MS_MAX, PENDING_MS_MAX, STEP_UP_MS_MAX};
use wardkeep_web::routes::Guard;

use crate::source::{files, none, packages, root, shipped};

/// Use cases that give a session's token, and the files of pages and API that call them.
const WAYS: &[(&str, &[&str])] = &[
    (".sign_in_code(", &["crates/wardkeep-web/src/api/session.rs", "crates/wardkeep-web/src/pages/sign_in.rs"]),
    (".sign_in_recovery(", &["crates/wardkeep-web/src/api/session.rs", "crates/wardkeep-web/src/pages/sign_in.rs"]),
    (".enrol(", &["crates/wardkeep-web/src/api/session.rs", "crates/wardkeep-web/src/pages/sign_in.rs"]),
    (".sign_in_passkey(", &["crates/wardkeep-web/src/pages/passkeys.rs"]),
    (".enrol_passkey(", &["crates/wardkeep-web/src/pages/passkeys.rs"]),
    (".provider_answered(", &["crates/wardkeep-web/src/pages/sign_on.rs"]),
    (".step_up_passkey(", &["crates/wardkeep-web/src/pages/passkeys.rs"]),
    (
        ".step_up(",
        &[
            "crates/wardkeep-web/src/api/session.rs",
            "crates/wardkeep-web/src/pages/emergency.rs",
            "crates/wardkeep-web/src/pages/security.rs",
        ],
    ),
];
/// Where a session is written: at a sign-in, and with a new token after a fresh factor.
const WRITTEN: (&str, usize) = ("crates/wardkeep-app/src/sessions.rs", 2);

fn page() -> String {
    std::fs::read_to_string(root().join("docs/sign-in.md")).unwrap()
}

/// Files that ship and hold the words, with how often.
fn holding(package: &str, words: &str) -> BTreeMap<String, usize> {
    let found = shipped(package).into_iter().map(|file| (file.path, file.text.matches(words).count()));
    found.filter(|(_, times)| *times > 0).collect()
}

// ASVS 6.1.3, 6.3.4
#[test]
fn a_session_comes_by_the_written_ways_alone() {
    assert_eq!(holding("wardkeep-app", "self.put_session(").into_iter().collect::<Vec<_>>(), [(WRITTEN.0.to_owned(), WRITTEN.1)]);
    for (call, places) in WAYS {
        let wanted: BTreeMap<String, usize> = places.iter().map(|path| ((*path).to_owned(), 1)).collect();
        assert_eq!(holding("wardkeep-web", call), wanted, "{call}");
    }
    let page = page();
    let routes = wardkeep_web::routes::table().into_iter().chain(wardkeep_web::api::routes::table());
    let ways = routes.filter(|route| route.guard == Guard::Pending || route.path.contains("/sign-in") || route.path.ends_with("/step-up"));
    let missing = ways.filter(|route| !page.contains(&format!("`{}`", route.path))).map(|route| route.path.to_owned());
    none("docs/sign-in.md leaves out these ways", &missing.collect::<Vec<_>>());
}

fn minutes(ms: i64) -> i64 {
    assert_eq!(ms % 60_000, 0);
    ms / 60_000
}

// ASVS 6.1.1, 6.1.2, 6.2.11, 7.1.1, 7.1.3
#[test]
fn the_numbers_written_are_those_of_the_program() {
    let page = page().split_whitespace().collect::<Vec<_>>().join(" ");
    let says = [
        format!("After {ACCOUNT_FREE} wrong tries an account's"),
        format!("at most {WAIT_S_MAX} seconds"),
        format!("After {ADDRESS_FREE} wrong tries an address"),
        format!("{DISABLED_AT} wrong tries in a row"),
        format!("At most {HASHING_MAX} passwords are hashed at once"),
        format!("{LENGTH_MIN} to {LENGTH_MAX} characters"),
        format!("staff without a request | {} minutes", minutes(IDLE_MS)),
        format!("patient without a request | {} minutes", minutes(PATIENT_IDLE_MS_MAX)),
        format!("any session | {} hours", minutes(ABSOLUTE_MS_MAX) / 60),
        format!("second step | {} minutes", minutes(PENDING_MS_MAX)),
        format!("fresh | {} minutes", minutes(STEP_UP_MS_MAX)),
        format!(
            "sets the {} minutes of staff, from {} to {}",
            minutes(IDLE_MS),
            minutes(*IDLE_MS_RANGE.start()),
            minutes(*IDLE_MS_RANGE.end())
        ),
        format!("{} hours long, ten of a person", minutes(DRAFT_MS_MAX) / 60),
        format!("set-up link | {} minutes", minutes(SETUP_MS_MAX)),
        format!("invitation | {} days", minutes(INVITATION_MS_MAX) / 60 / 24),
        format!("activation code on paper | {} days", minutes(ACTIVATION_MS_MAX) / 60 / 24),
        format!("the last {HAPPENINGS_MAX} under Security"),
        format!("older than {} hours is asked for anew", minutes(ABSOLUTE_MS_MAX) / 60),
        format!("{WRONG_TRIES_TOLD} wrong tries or more"),
        format!("not among the last {PLACES_MAX}"),
        "the e-mail address, the displayed name, the hospital's name and `wardkeep`".to_owned(),
    ];
    none("docs/sign-in.md does not say", &says.into_iter().filter(|words| !page.contains(words)).collect::<Vec<_>>());
}

// ASVS 8.1.3, 8.1.4
#[test]
fn the_facts_written_are_those_that_policy_looks_at() {
    let schema = std::fs::read_to_string(root().join("crates/wardkeep-policy/policies/schema.cedarschema")).unwrap();
    let facts = schema.lines().find_map(|line| line.strip_prefix("type Facts = {")).unwrap();
    let mut facts: Vec<&str> = facts.split([',', '}']).filter_map(|fact| Some(fact.split_once(':')?.0.trim())).collect();
    let page = page();
    let mut written: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("- `")?.split_once("`: ")).map(|(fact, _)| fact).collect();
    facts.sort_unstable();
    written.sort_unstable();
    assert_eq!(written, facts);
}

// ASVS 6.3.6
#[test]
fn no_message_goes_out_so_none_can_be_a_factor() {
    let senders = ["lettre", "sendmail", "mail-send", "twilio", "web-push"];
    let mut found = Vec::new();
    for package in packages() {
        let manifest = std::fs::read_to_string(root().join("crates").join(&package).join("Cargo.toml")).unwrap();
        found.extend(senders.iter().filter(|sender| manifest.contains(**sender)).map(|sender| format!("{package}: {sender}")));
        for file in shipped(&package) {
            let lower = file.text.to_lowercase();
            found.extend(
                ["smtp", "forgot", "reset_password"]
                    .iter()
                    .filter(|word| lower.contains(**word))
                    .map(|word| format!("{}: {word}", file.path)),
            );
        }
    }
    none("these send or wait for a message", &found);
}

// ASVS 6.5.3
#[test]
fn chance_comes_from_the_system_and_is_made_in_one_place() {
    let sources = ["getrandom::", "SysRng", "OsRng", "ThreadRng", "rand::rng("];
    let drawn: Vec<String> =
        packages().iter().flat_map(|package| sources.iter().flat_map(|source| holding(package, source).into_keys())).collect();
    assert_eq!(drawn, ["crates/wardkeep/src/house.rs"]);
    let bans = files("", &["clippy.toml"]).into_iter().map(|file| file.text).collect::<String>();
    assert!(bans.contains("getrandom::fill"), "and a lint holds it there");
}
