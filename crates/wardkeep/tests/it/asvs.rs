//! `docs/asvs.md`: every requirement of ASVS 5.0 with our verdict and the tests that prove it.
//!
//! A test says what it proves in a line `// ASVS 6.2.1, 6.2.5` above its attribute, or in its name
//! (`asvs_6_2_1_…`). The page is made anew with
//! `INSTA_UPDATE=always cargo nextest run --workspace -E 'test(asvs)'`; a test that goes away, or
//! no longer carries its number, shows in the page's diff, and so does every requirement that no
//! test carries.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::source::{File, files, none, root};

/// Where tests are.
const FOLDERS: [&str; 4] = ["bench", "crates", "fuzz", "tests"];
const PAGE: &str = "docs/asvs.md";
const LIST: &str = "docs/asvs/requirements.csv";
/// Our verdicts, and what each means.
const VERDICTS: [(&str, &str); 6] = [
    ("A", "must hold, and a test can show it"),
    ("S", "must hold by construction"),
    ("P", "can hold in part only"),
    ("D", "is for those who run a hospital"),
    ("C", "concerns what is not there: it is absent, or off until somebody turns it on"),
    ("N", "does not apply"),
];
/// Those of which a test is expected.
const PROVABLE: [&str; 3] = ["A", "S", "P"];
const CHAPTERS: [&str; 17] = [
    "Encoding and sanitization",
    "Validation and business logic",
    "Web frontend security",
    "API and web service",
    "File handling",
    "Authentication",
    "Session management",
    "Authorization",
    "Self-contained tokens",
    "OAuth and OIDC",
    "Cryptography",
    "Secure communication",
    "Configuration",
    "Data protection",
    "Secure coding and architecture",
    "Security logging and error handling",
    "WebRTC",
];

/// A number such as 6.2.11, in the order of the standard.
type Id = [u8; 3];

struct Requirement {
    id: Id,
    level: String,
    verdict: String,
    words: String,
}

impl Requirement {
    fn is_provable(&self) -> bool {
        PROVABLE.contains(&self.verdict.as_str())
    }
}

/// A test that carries the number of a requirement.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Proof {
    path: String,
    name: String,
}

fn parse(text: &str) -> Option<Id> {
    let parts: Vec<u8> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn show([chapter, section, number]: Id) -> String {
    format!("{chapter}.{section}.{number}")
}

fn requirements() -> Vec<Requirement> {
    let mut list = csv::Reader::from_path(root().join(LIST)).unwrap();
    let rows = list.records().map(|row| {
        let row = row.unwrap();
        let id = parse(&row[0]).unwrap_or_else(|| panic!("{} is no number of a requirement", &row[0]));
        Requirement { id, level: row[1].to_owned(), verdict: row[2].to_owned(), words: row[3].to_owned() }
    });
    rows.collect()
}

/// What the tests of a file prove, as (number as written, name), and lines that stand above no test.
fn proofs(text: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (mut found, mut lost) = (Vec::new(), Vec::new());
    let (mut marked, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(numbers) = line.strip_prefix("// ASVS ") {
            marked.extend(numbers.split([',', ' ']).filter(|number| !number.is_empty()).map(str::to_owned));
        } else if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("test(");
        } else if !line.starts_with("//") && !line.is_empty() {
            match test_name(line, is_test) {
                Some(name) => {
                    marked.extend(in_name(name));
                    found.extend(marked.drain(..).map(|number| (number, name.to_owned())));
                }
                None => lost.append(&mut marked),
            }
            is_test = false;
        }
    }
    (found, lost)
}

/// `async fn name(` under a test's attribute; `test(` or `step(` of the browser's tests.
fn test_name(line: &str, is_test: bool) -> Option<&str> {
    if let Some(rest) = line.strip_prefix("test(").or_else(|| line.strip_prefix("step(")) {
        return rest.split(['\'', '"', '`']).nth(1);
    }
    let (before, after) = line.split_once("fn ")?;
    let declares = before.split_whitespace().all(|word| matches!(word, "pub" | "async"));
    (is_test && declares).then(|| after.split(['(', '<']).next().unwrap_or_default())
}

/// The number in `asvs_6_2_1_…`.
fn in_name(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.strip_prefix("asvs_")?.split('_').take(3).collect();
    Some(parts.join("."))
}

#[test]
fn numbers_are_read_above_a_test_and_in_its_name() {
    let of = |lines: &[&str]| proofs(&lines.join("\n"));
    let pair = |number: &str, name: &str| (number.to_owned(), name.to_owned());
    let both = [pair("6.2.1", "asvs_7_4_1_it_is"), pair("6.2.5", "asvs_7_4_1_it_is"), pair("7.4.1", "asvs_7_4_1_it_is")];
    let marked = "// ASVS 6.2.1, 6.2.5";
    assert_eq!(of(&[marked, "#[tokio::test]", "async fn asvs_7_4_1_it_is() {"]), (both.to_vec(), vec![]));
    assert_eq!(of(&["#[test]", "fn asvs_7_4_ended() {"]).0, [pair("7.4.ended", "asvs_7_4_ended")], "which is no number");
    assert_eq!(of(&["// ASVS 7.4.4", "test('signs out', async () => {"]).0, [pair("7.4.4", "signs out")]);
    assert_eq!(of(&[marked, "fn helper() {"]), (vec![], vec!["6.2.1".to_owned(), "6.2.5".to_owned()]));
    assert_eq!(of(&["#[cfg(test)]", "mod x;", "fn asvs_1_1_1() {"]).0, []);
}

/// Tests by the requirement they carry.
fn carried(known: &[Requirement]) -> BTreeMap<Id, Vec<Proof>> {
    let mut carried: BTreeMap<Id, Vec<Proof>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for File { path, text } in FOLDERS.iter().flat_map(|folder| files(folder, &[".rs", ".mjs"])) {
        let (found, lost) = proofs(&text);
        wrong.extend(lost.iter().map(|number| format!("{path}: {number} stands above no test")));
        for (number, name) in found {
            match parse(&number).filter(|id| known.iter().any(|requirement| requirement.id == *id)) {
                Some(id) => carried.entry(id).or_default().push(Proof { path: path.clone(), name }),
                None => wrong.push(format!("{path}: {name} carries {number}, which is no requirement")),
            }
        }
    }
    none("these tests prove nothing that is asked", &wrong);
    carried.values_mut().for_each(|proofs| proofs.sort());
    carried
}

/// Requirements of a chapter that count, and how many of them a test carries.
fn count(requirements: &[&Requirement], carried: &BTreeMap<Id, Vec<Proof>>) -> [usize; 6] {
    let provable = requirements.iter().filter(|requirement| requirement.is_provable());
    let with = provable.clone().filter(|requirement| carried.contains_key(&requirement.id)).count();
    let of = |verdict: &str| requirements.iter().filter(|requirement| requirement.verdict == verdict).count();
    [requirements.len(), with, provable.count() - with, of("D"), of("C"), of("N")]
}

fn summary(page: &mut String, requirements: &[Requirement], carried: &BTreeMap<Id, Vec<Proof>>) {
    page.push_str(
        "| chapter | requirements | with a test | no test yet | D | C | N |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let row = |name: &str, of: &[&Requirement]| {
        let [all, with, without, d, c, n] = count(of, carried);
        format!("| {name} | {all} | {with} | {without} | {d} | {c} | {n} |\n")
    };
    for (number, name) in (1..).zip(CHAPTERS) {
        let of: Vec<&Requirement> = requirements.iter().filter(|requirement| requirement.id[0] == number).collect();
        page.push_str(&row(&format!("V{number} {name}"), &of));
    }
    page.push_str(&row("all", &requirements.iter().collect::<Vec<_>>()));
}

fn page(requirements: &[Requirement], carried: &BTreeMap<Id, Vec<Proof>>) -> String {
    let mut page = "# ASVS 5.0\n\n\
        Every requirement of the OWASP Application Security Verification Standard 5.0, what we say of it, and the tests that\n\
        carry its number. Made by a test (`crates/wardkeep/tests/it/asvs.rs`); do not edit it by hand. A requirement is named\n\
        in a few words of ours; the standard has the full text. That a test carries a number means that it proves what can be\n\
        proven there by a test of this program, not that an assessor has looked.\n\n"
        .to_owned();
    for (verdict, words) in VERDICTS {
        writeln!(page, "- **{verdict}** {words}").unwrap();
    }
    page.push_str("\nOf A, S and P a test is expected. Where the line says that there is none yet, do not take it that it holds.\n\n");
    summary(&mut page, requirements, carried);
    for (number, name) in (1..).zip(CHAPTERS) {
        write!(page, "\n## V{number} {name}\n\n| id | level | verdict | requirement | tests |\n| --- | --- | --- | --- | --- |\n").unwrap();
        for requirement in requirements.iter().filter(|requirement| requirement.id[0] == number) {
            let proofs = carried.get(&requirement.id).map(Vec::as_slice).unwrap_or_default();
            let tests = match proofs {
                [] if requirement.is_provable() => "no test yet".to_owned(),
                proofs => proofs.iter().map(link).collect::<Vec<_>>().join("<br>"),
            };
            let Requirement { id, level, verdict, words } = requirement;
            writeln!(page, "| {} | {level} | {verdict} | {} | {tests} |", show(*id), words.replace('|', "\\|")).unwrap();
        }
    }
    page
}

fn link(proof: &Proof) -> String {
    let file = proof.path.rsplit('/').next().unwrap_or_default();
    format!("[`{file}::{}`](../{})", proof.name, proof.path)
}

#[test]
fn the_list_is_whole_and_in_order() {
    let requirements = requirements();
    assert_eq!(requirements.len(), 345);
    assert!(requirements.is_sorted_by(|a, b| a.id < b.id), "in the order of the standard");
    let wrong = requirements.iter().filter(|requirement| !VERDICTS.iter().any(|(verdict, _)| *verdict == requirement.verdict));
    none("these have no verdict that we use", &wrong.map(|requirement| show(requirement.id)).collect::<Vec<_>>());
}

#[test]
fn the_asvs_page_is_what_the_tests_carry() {
    let requirements = requirements();
    let made = page(&requirements, &carried(&requirements));
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(root().join(PAGE), &made).unwrap();
    }
    let kept = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let (kept, made): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), made.lines().collect());
    let gone = kept.iter().filter(|line| !made.contains(line)).map(|line| format!("- {line}"));
    let come = made.iter().filter(|line| !kept.contains(line)).map(|line| format!("+ {line}"));
    none("docs/asvs.md differs from the tests; make it anew as this file's head says", &gone.chain(come).collect::<Vec<_>>());
    assert_eq!(kept, made, "the lines are in another order");
}
