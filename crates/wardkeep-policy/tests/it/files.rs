//! Files that are refused whole, with their name in the message.

use wardkeep_policy::Policy;
use wardkeep_policy::load::FILES;

const HEAD: &str = "@id(\"x\") @reason(\"Because.\")\n";

/// (what is wrong, text, what the message says besides the file's name)
const REFUSED: &[(&str, &str, &str)] = &[
    ("does not parse", "permit (principal, action, resource", "unexpected end of input"),
    ("no id", "@reason(\"Because.\") permit (principal, action == Action::\"read_log\", resource);", "no @id"),
    ("empty id", "@id(\"\") @reason(\"Because.\") permit (principal, action == Action::\"read_log\", resource);", "no @id"),
    ("no reason", "@id(\"x\") permit (principal, action == Action::\"read_log\", resource);", "no @reason"),
    ("blank reason", "@id(\"x\") @reason(\" \") permit (principal, action == Action::\"read_log\", resource);", "no @reason"),
    ("an unknown action", "@id(\"x\") @reason(\"Because.\") permit (principal, action == Action::\"fly\", resource);", "fly"),
    ("an unknown kind", "@id(\"x\") @reason(\"Because.\") permit (principal is Robot, action == Action::\"read_log\", resource);", "Robot"),
    (
        "an unknown fact",
        "@id(\"x\") @reason(\"Because.\") permit (principal, action == Action::\"read_log\", resource) when { context.boss };",
        "boss",
    ),
    (
        "a comparison of different types",
        "@id(\"x\") @reason(\"Because.\") permit (principal is Staff, action == Action::\"read_log\", resource) when { principal.role == 1 };",
        "types",
    ),
    (
        "a rule that never applies",
        "@id(\"x\") @reason(\"Because.\") forbid (principal is Patient, action == Action::\"read_log\", resource) when { principal is Staff };",
        "impossible",
    ),
    ("a template", "@id(\"x\") @reason(\"Because.\") permit (principal == ?principal, action, resource);", "template"),
    (
        "an id that is taken",
        "@id(\"operator\") @reason(\"Because.\") permit (principal, action == Action::\"read_log\", resource);",
        "taken",
    ),
    (
        "an id of a shape that the log cannot show",
        "@id(\"A b\") @reason(\"Because.\") permit (principal, action == Action::\"read_log\", resource);",
        "cannot have this @id",
    ),
    (
        "an id that means no rule",
        "@id(\"default\") @reason(\"Because.\") permit (principal, action == Action::\"read_log\", resource);",
        "default",
    ),
];

#[test]
fn a_bad_file_is_refused_by_name() {
    for (what, text, says) in REFUSED {
        let files: Vec<(&str, &str)> = FILES.iter().copied().chain([("night-shift.cedar", *text)]).collect();
        let error = Policy::from_files(&files).expect_err(what).to_string();
        assert!(error.contains("night-shift.cedar"), "{what}: {error}");
        assert!(error.contains(says), "{what}: {error}");
    }
}

#[test]
fn a_good_file_is_taken() {
    let text =
        format!("{HEAD}permit (principal is Staff, action == Action::\"read_log\", resource) when {{ principal.role == \"registrar\" }};");
    let files: Vec<(&str, &str)> = FILES.iter().copied().chain([("night-shift.cedar", text.as_str())]).collect();
    assert!(Policy::from_files(&files).is_ok());
}

#[test]
fn every_file_of_the_folder_is_embedded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".cedar"))
        .collect();
    let mut embedded: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
    there.sort();
    embedded.sort_unstable();
    assert_eq!(there, embedded);
}
