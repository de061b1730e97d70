//! The root key as the IT person handles it: a new one, the old one retired, both on paper and back.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::Fresh;
use crate::cli_run::Ran;

fn good(ran: Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

fn status(hospital: &Fresh) -> Value {
    good(hospital.run(&["key", "status", "--json"]))["root"].take()
}

/// Everything that was sealed opens, and the log says what was done.
fn is_sound(hospital: &Fresh) {
    let report = good(hospital.run(&["verify", "--records", "--json"]));
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");
    good(hospital.run(&["user", "list", "--json"]));
}

fn key_file(hospital: &Fresh) -> std::path::PathBuf {
    hospital.path().join("root.key")
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_root_key_takes_the_place_of_the_old_one_which_is_then_retired() {
    let hospital = Fresh::new();
    good(hospital.run(&["user", "invite", "ana@example.org", "--name", "Dr Ana", "--role", "doctor", "--json"]));
    let first = status(&hospital);
    assert!(first["since"].is_null() && first["before"].is_null() && first["id"] == first["here"]);
    assert_eq!(hospital.run(&["key", "retire"]).code, 1, "there is none to retire");
    let old_key = fs::read(key_file(&hospital)).unwrap();
    let rotated = good(hospital.run(&["key", "rotate", "--json"]));
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!((id(&rotated["root"]["before"]), mode(&key_file(&hospital))), (id(&first["id"]), 0o600));
    assert!(!hospital.path().join("root.key.new").exists());
    let second = status(&hospital);
    assert_eq!((id(&second["id"]), id(&second["before"]["id"])), (id(&rotated["root"]["id"]), id(&first["id"])));
    is_sound(&hospital);
    let again = hospital.run(&["key", "rotate"]);
    assert!(again.code == 1 && again.stderr.contains("key retire"), "{again:?}");
    assert!(!hospital.path().join("root.key.new").exists());
    // A node that still has the old one works, says so, and cannot retire what it has.
    let new_key = fs::read(key_file(&hospital)).unwrap();
    fs::write(key_file(&hospital), &old_key).unwrap();
    assert_eq!(id(&status(&hospital)["here"]), id(&first["id"]));
    let posture = good(hospital.run(&["doctor", "--json"]));
    assert!(posture["lines"].as_array().unwrap().iter().any(|line| line["what"] == "Root key" && line["health"] == "warning"), "{posture}");
    assert_eq!(hospital.run(&["key", "retire"]).code, 1);
    fs::write(key_file(&hospital), &new_key).unwrap();
    assert_eq!(good(hospital.run(&["key", "retire", "--json"]))["retired"], first["id"]);
    assert!(status(&hospital)["before"].is_null());
    is_sound(&hospital);
    fs::write(key_file(&hospital), &old_key).unwrap();
    let shut = hospital.run(&["key", "status"]);
    assert!(shut.code == 7 && shut.stderr.contains("is not the one this hospital was sealed with"), "{shut:?}");
    fs::write(key_file(&hospital), &new_key).unwrap();
    // And again, from the second to a third.
    good(hospital.run(&["key", "rotate", "--json"]));
    good(hospital.run(&["key", "retire", "--json"]));
    fs::write(key_file(&hospital), &new_key).unwrap();
    assert_eq!(hospital.run(&["key", "status"]).code, 7);
    fs::copy(hospital.path().join(format!("root-{}.key", id(&second["id"]))), hospital.beside("kept.key")).unwrap();
    assert_eq!(fs::read(hospital.beside("kept.key")).unwrap(), new_key, "kept for the backups of its time");
}

#[test]
fn a_rotation_that_was_cut_off_is_finished_by_the_next_one() {
    let hospital = Fresh::new();
    let beside = hospital.path().join("root.key.new");
    // Before the commit: a key file that opens nothing yet.
    let other = Fresh::new();
    fs::copy(key_file(&other), &beside).unwrap();
    is_sound(&hospital);
    let new = good(hospital.run(&["key", "rotate", "--json"]));
    assert_eq!(fs::read(key_file(&hospital)).unwrap(), fs::read(key_file(&other)).unwrap());
    // After the commit, before the file took its place.
    let old = hospital.path().join(format!("root-{}.key", new["root"]["before"].as_str().unwrap()));
    fs::rename(key_file(&hospital), &beside).unwrap();
    fs::copy(&old, key_file(&hospital)).unwrap();
    is_sound(&hospital);
    let finished = good(hospital.run(&["key", "rotate", "--json"]));
    assert_eq!(finished["root"]["id"], new["root"]["id"]);
    assert_eq!(status(&hospital)["here"], new["root"]["id"]);
    assert!(!beside.exists());
    good(hospital.run(&["key", "retire", "--json"]));
    is_sound(&hospital);
}

#[test]
fn three_shares_on_paper_bring_a_lost_key_file_back() {
    let hospital = Fresh::new();
    let printed = hospital.run(&["key", "escrow"]);
    assert!(printed.code == 0 && printed.stdout.contains("Any 3 of them"), "{printed:?}");
    // As it stands on five sheets of paper, two of which are lost.
    let sheets: Vec<&str> = printed.stdout.split("\nShare ").skip(1).collect();
    assert_eq!(sheets.len(), 5);
    let kept = format!("Share {}\nshare {}\nSHARE {}", sheets[4], sheets[0], sheets[2]);
    fs::write(hospital.beside("typed"), kept).unwrap();
    let typed = hospital.beside("typed");
    let recover = || hospital.run(&["key", "recover", "--shares", typed.to_str().unwrap(), "--json"]);
    let there = recover();
    assert!(there.code == 3 && there.stdout.contains("never overwritten"), "{there:?}");
    let lost = fs::read(key_file(&hospital)).unwrap();
    fs::remove_file(key_file(&hospital)).unwrap();
    assert_ne!(hospital.run(&["user", "list"]).code, 0);
    let recovered = good(recover());
    assert_eq!((recovered["opens"].as_bool(), fs::read(key_file(&hospital)).unwrap()), (Some(true), lost));
    is_sound(&hospital);
    // Shares of a key that was replaced say so.
    good(hospital.run(&["key", "rotate", "--json"]));
    good(hospital.run(&["key", "retire", "--json"]));
    fs::rename(key_file(&hospital), hospital.beside("new.key")).unwrap();
    assert_eq!(good(recover())["opens"], false);
    fs::remove_file(key_file(&hospital)).unwrap();
    fs::write(&typed, "7b62\n\nxyz").unwrap();
    let bad = recover();
    assert!(bad.code == 3 && bad.stdout.contains("share 1 has 4 digits and needs 84"), "{bad:?}");
    assert!(!key_file(&hospital).exists());
}

#[test]
fn what_was_printed_is_in_no_file_and_that_it_was_is_in_the_log() {
    let hospital = Fresh::new();
    let shares = good(hospital.run(&["key", "escrow", "--json"]));
    let shares: Vec<&str> = shares["shares"].as_array().unwrap().iter().map(|share| share.as_str().unwrap()).collect();
    let part = shares[1].replace('-', "");
    for file in fs::read_dir(hospital.path()).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = fs::read(file.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&part[10..40]) && !text.contains(shares[1]), "{:?}", file.path());
    }
    is_sound(&hospital);
}
