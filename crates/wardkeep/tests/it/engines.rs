//! A hospital on MongoDB as its operator sees it: set up by address, moved between engines, verified.

use std::path::Path;

use tempfile::TempDir;
use wardkeep_mongod::ReplicaSet;

use crate::cli_run::{Ran, wardkeep};

struct Operator {
    _dir: TempDir,
    data: String,
}

impl Operator {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("hospital").to_str().unwrap().to_owned();
        Self { _dir: dir, data }
    }
    /// Runs a command on this hospital; its node is always the same.
    fn run(&self, words: &[&str]) -> Ran {
        wardkeep(&[words, &["--data", &self.data]].concat())
    }
    fn on_node(&self, words: &[&str]) -> Ran {
        self.run(&[words, &["--node", "ward"]].concat())
    }
    fn succeeds(&self, words: &[&str]) -> Ran {
        let ran = self.on_node(words);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    }
    fn settings(&self) -> String {
        std::fs::read_to_string(Path::new(&self.data).join("wardkeep.toml")).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_classical_layout_is_one_option_and_every_command_works_on_it() -> anyhow::Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let operator = Operator::new();
    let records = set.address("wardkeep_records");
    operator.succeeds(&["init", "--records", &records]);
    assert_eq!(operator.settings(), format!("records = \"{records}\"\n"));
    let file = format!("{}/rows.csv", operator.data);
    assert_eq!(wardkeep(&["generate", "stroke", "--rows", "300", "--output", &file]).code, 0);
    operator.succeeds(&["import", "stroke", &file]);
    let exported = operator.succeeds(&["export", "stroke"]);
    assert_eq!(exported.stdout, std::fs::read_to_string(&file)?);
    operator.succeeds(&["user", "invite", "ana.moreau@example.org", "--name", "Dr Ana Moreau", "--role", "doctor"]);
    operator.succeeds(&["doctor"]);
    let verified = operator.succeeds(&["verify", "--records", "--json"]).json();
    let streams: Vec<&str> = verified["streams"].as_array().unwrap().iter().filter_map(|stream| stream["stream"].as_str()).collect();
    assert_eq!(streams, ["control.ward", "records.ward"]);
    let other = wardkeep(&["init", "--data", &format!("{}-2", operator.data), "--control", &records, "--records", &records]);
    assert!(other.code == 2 && other.stderr.contains("named for both stores"), "{other:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hospital_moves_to_mongodb_and_back_and_its_log_goes_on() -> anyhow::Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let operator = Operator::new();
    assert_eq!(operator.run(&["init"]).code, 0);
    let file = format!("{}/rows.csv", operator.data);
    assert_eq!(wardkeep(&["generate", "stroke", "--rows", "500", "--output", &file]).code, 0);
    assert_eq!(operator.run(&["import", "stroke", &file]).code, 0);
    for store in ["control", "records"] {
        let (from, to) = (format!("{}/{store}.db", operator.data), set.address(&format!("wardkeep_{store}")));
        let moved = operator.run(&["store", "copy", "--from", &from, "--to", &to, "--json"]);
        assert_eq!((moved.code, moved.json()["moved"].as_bool()), (0, Some(true)), "{moved:?}");
        assert!(operator.settings().contains(&to));
        // The source may go; nothing looks there any more.
        std::fs::remove_file(from)?;
    }
    let verified = operator.succeeds(&["verify", "--records", "--json"]).json();
    let names: Vec<&str> = verified["streams"].as_array().unwrap().iter().filter_map(|stream| stream["stream"].as_str()).collect();
    assert!(names.contains(&"records.main") && names.contains(&"control.main"), "the old streams are part of the log: {names:?}");
    assert_eq!(operator.succeeds(&["export", "stroke"]).stdout, std::fs::read_to_string(&file)?);
    let again = operator.succeeds(&["import", "stroke", &file, "--json"]).json();
    assert_eq!((again["written"].as_u64(), again["unchanged"].as_u64()), (Some(0), Some(500)));
    // And back into a file, which is another place than before.
    let (from, to) = (set.address("wardkeep_records"), format!("{}/back.db", operator.data));
    operator.succeeds(&["store", "copy", "--from", &from, "--to", &to]);
    assert!(operator.settings().contains("back.db"));
    operator.succeeds(&["verify", "--records"]);
    let moves: u64 = operator.succeeds(&["verify", "--json"]).json()["streams"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|stream| stream["classes"]["configuration.changed"].as_u64())
        .sum();
    assert_eq!(moves, 6, "each move stands in the log of both stores");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_copied_or_opened_is_told_with_its_fix() -> anyhow::Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let (one, two) = (Operator::new(), Operator::new());
    let shared = set.address("shared");
    one.succeeds(&["init", "--records", &shared]);
    // Somebody else's database.
    let taken = two.on_node(&["init", "--control", &set.address("two"), "--records", &shared]);
    assert!(taken.code == 3 && taken.stderr.contains("the records store holds a hospital already"), "{taken:?}");
    assert_eq!(two.run(&["init"]).code, 0);
    let (from, nowhere) = (format!("{}/records.db", two.data), format!("{}/nowhere.db", two.data));
    let cases: [(&[&str], u8, &str); 5] = [
        (&["store", "copy", "--from", &nowhere, "--to", &shared], 4, "there is no store"),
        (&["store", "copy", "--from", &from, "--to", &from], 2, "onto itself"),
        (&["store", "copy", "--from", &from, "--to", &shared], 7, "the target"),
        (&["store", "copy", "--from", "redis://x", "--to", &shared], 2, "no kind of store"),
        (&["user", "list", "--node", "Two Words"], 2, "cannot be the name of a node"),
    ];
    for (words, code, told) in cases {
        let ran = two.run(words);
        assert!(ran.code == i32::from(code) && ran.stderr.contains(told), "{words:?}: {ran:?}");
    }
    assert_eq!(one.on_node(&["verify", "--records"]).code, 0, "nothing was written to the other hospital's store");
    // A second machine needs the key, and is told so.
    let second = Operator::new();
    let keyless = second.on_node(&["user", "list", "--control", &set.address("two"), "--records", &shared]);
    assert!(keyless.code == 4 && keyless.stderr.contains("copy root.key"), "{keyless:?}");
    Ok(())
}
