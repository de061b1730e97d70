//! What must be nowhere in the repository, however it got there. The tables come first; lists of
//! exceptions only shrink, and an exception that is no longer needed fails as well.

use std::collections::BTreeSet;

use wardkeep_web::page::NOTICES;

use crate::source::{File, files, none, packages, root, shipped};

/// Longest file and function in lines.
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 69;
/// Files that are longer. Only shrinks.
const LONG_FILES: &[&str] = &[];
/// Functions that are longer, as `file: name`. Only shrinks.
const LONG_FUNCTIONS: &[&str] = &[
    // A table: one line for each class, whole because the compiler says so.
    "crates/wardkeep-app/src/audit/words.rs: words",
];

/// Unfinished or forgotten, in any Rust file. Without their `!`, so that this list passes itself.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Of somebody's own machine or tools; in pieces, for the same reason.
const WORDS: &[[&str; 2]] = &[
    ["/wo", "rk/"],
    ["/ro", "ot/"],
    ["/ho", "me/"],
    ["/tmp/", "brief"],
    ["work", "tree"],
    ["cla", "ude"],
    ["anth", "ropic"],
    ["chat", "gpt"],
    ["cop", "ilot"],
    ["sub", "agent"],
    ["FIX", "ME"],
    ["XX", "X:"],
];

/// Hosts that the repository may name: nobody is sent anywhere else, by a page or by a script.
const HOSTS: &[&str] = &[
    "127.0.0.1",
    "localhost",
    "github.com",
    "opencollective.com",
    "scripts.sil.org",
    "www.w3.org",
    "spdx.org",
    "json-schema.org",
    "age-encryption.org",
];

/// Ways around escaping, in templates.
const UNESCAPED: [&str; 5] = ["|safe", "|escape", "|e(", "|urlencode_strict(", "{%autoescape"];

/// Inline code and style, in templates: the content policy refuses them, so they would only look right.
const INLINE: [&str; 5] = ["<style", " style=", "javascript:", "hx-on", "<script>"];

/// Files of words and code.
const TEXT: &[&str] = &[
    ".rs",
    ".toml",
    ".md",
    ".html",
    ".css",
    ".js",
    ".mjs",
    ".json",
    ".cedar",
    ".cedarschema",
    ".snap",
    ".txt",
    ".svg",
    ".py",
    ".csv",
    ".lock",
    "run",
    "test",
    "setup",
    "check",
    "vendor-assets",
];

const TEMPLATES: &str = "crates/wardkeep-web/templates";
const PAGES: &str = "crates/wardkeep-web/src";

fn rust() -> Vec<File> {
    ["crates", "bench"].iter().flat_map(|folder| files(folder, &[".rs"])).collect()
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[test]
fn files_are_short() {
    let scripts = ["scripts", "tests"].iter().flat_map(|folder| files(folder, &["", ".mjs"]));
    let ours = rust().into_iter().chain(files(TEMPLATES, &[".html"])).chain(scripts.filter(|file| !file.path.ends_with(".json")));
    let long: BTreeSet<String> = ours.filter(|file| file.text.lines().count() > FILE_LINES_MAX).map(|file| file.path).collect();
    assert_eq!(long, LONG_FILES.iter().map(|path| (*path).to_owned()).collect(), "over {FILE_LINES_MAX} lines (left) or excepted (right)");
}

#[test]
fn functions_are_short() {
    let mut long = BTreeSet::new();
    for file in rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if let Some(name) = function_name(line)
                && function_length(&lines[at..]) > FUNCTION_LINES_MAX
            {
                long.insert(format!("{}: {name}", file.path));
            }
        }
    }
    assert_eq!(
        long,
        LONG_FUNCTIONS.iter().map(|name| (*name).to_owned()).collect(),
        "over {FUNCTION_LINES_MAX} lines (left) or excepted (right)"
    );
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = ["pub", "pub(crate)", "pub(super)", "async", "const"];
    let declares = before.split_whitespace().all(|word| modifiers.contains(&word));
    declares.then(|| after.split(['(', '<']).next().unwrap_or_default())
}

/// rustfmt ends a function with its brace below its first letter.
fn function_length(lines: &[&str]) -> usize {
    let indent = lines[0].len() - lines[0].trim_start().len();
    let Some(opens) = lines.iter().position(|line| line.ends_with(['{', ';', '}'])) else { return 0 };
    if !lines[opens].ends_with('{') {
        return opens + 1;
    }
    let end = format!("{}}}", " ".repeat(indent));
    lines.iter().position(|line| *line == end).map_or(0, |at| at + 1)
}

#[test]
fn nothing_is_unfinished() {
    let mut found = Vec::new();
    for file in rust() {
        for name in UNFINISHED {
            let call = format!("{name}!(");
            let places = file.text.match_indices(&call);
            found.extend(places.map(|(at, _)| format!("{}:{} {name}", file.path, line_of(&file.text, at))));
        }
    }
    none("finish or remove", &found);
}

#[test]
fn nothing_speaks_of_a_workplace() {
    let mut found = Vec::new();
    for file in files("", TEXT) {
        let lower = file.text.to_lowercase();
        for word in WORDS.iter().map(|pieces| pieces.concat().to_lowercase()) {
            found.extend(lower.match_indices(&word).map(|(at, _)| format!("{}:{} {word}", file.path, line_of(&lower, at))));
        }
    }
    none("these words are about somebody's machine or tools, not about the product", &found);
}

#[test]
fn every_address_is_one_we_mean() {
    // Tests ask for hosts that almost are ours; of Rust, what ships counts.
    let mut ours: Vec<File> = files("", TEXT).into_iter().filter(|file| !file.path.ends_with(".rs")).collect();
    ours.extend(packages().iter().flat_map(|package| shipped(package)));
    let mut found = Vec::new();
    for file in ours {
        for (at, scheme) in file.text.match_indices("http://").chain(file.text.match_indices("https://")) {
            let rest = &file.text[at + scheme.len()..];
            let host: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
            let host = host.trim_end_matches('.');
            let invented =
                host.is_empty() || [".example", "example.org", "example.com", ".invalid", ".test"].iter().any(|end| host.ends_with(end));
            if !invented && !HOSTS.contains(&host) {
                found.push(format!("{}:{} {host}", file.path, line_of(&file.text, at)));
            }
        }
    }
    none("these hosts are not on the list", &found);
}

#[test]
fn templates_escape_everything() {
    let mut found = Vec::new();
    for file in files(TEMPLATES, &[".html"]) {
        let tight = file.text.replace(' ', "");
        found.extend(UNESCAPED.iter().filter(|words| tight.contains(**words)).map(|words| format!("{}: {words}", file.path)));
    }
    for file in files(PAGES, &[".rs"]) {
        if file.text.contains("escape = \"") || file.text.contains("Html(format!") {
            found.push(file.path);
        }
    }
    none("output goes out escaped", &found);
}

#[test]
fn templates_hold_no_inline_code_or_style() {
    let mut found = Vec::new();
    for file in files(TEMPLATES, &[".html"]) {
        found.extend(INLINE.iter().filter(|words| file.text.contains(**words)).map(|words| format!("{}: {words}", file.path)));
        found.extend(handlers(&file.text).map(|name| format!("{}: {name}", file.path)));
    }
    none("the content policy refuses", &found);
}

/// Attributes like `onclick=`.
fn handlers(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\n', '"'])
        .filter_map(|word| word.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.len() > 3 && name.starts_with("on") && name.bytes().all(|b| b.is_ascii_lowercase()))
}

#[test]
fn every_template_is_used() {
    let templates = files(TEMPLATES, &[".html"]);
    let users: Vec<File> = files(TEMPLATES, &[".html"]).into_iter().chain(files(PAGES, &[".rs"])).collect();
    let mut found = Vec::new();
    for template in &templates {
        let name = template.path.strip_prefix(TEMPLATES).unwrap().trim_start_matches('/');
        let named = format!("\"{name}\"");
        if !users.iter().any(|user| user.path != template.path && user.text.contains(&named)) {
            found.push(template.path.clone());
        }
    }
    assert!(templates.len() > 30, "the templates have moved");
    none("no page uses", &found);
}

#[test]
fn every_page_is_a_route() {
    let routes = files(PAGES, &["routes.rs"]);
    let mut found = Vec::new();
    for file in files(&format!("{PAGES}/pages"), &[".rs"]) {
        for name in file.text.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split(['(', '<']).next()) {
            if !routes.iter().any(|table| table.text.contains(&format!("::{name})"))) {
                found.push(format!("{}: {name}", file.path));
            }
        }
    }
    none("no line of the route table names these handlers", &found);
}

#[test]
fn every_notice_exists_and_is_used() {
    let giving = |file: &File| file.path.contains("/pages/") || file.path.ends_with("/draft.rs");
    let used: BTreeSet<String> = files(PAGES, &[".rs"]).iter().filter(|file| giving(file)).flat_map(|file| notices(&file.text)).collect();
    let known: BTreeSet<String> = NOTICES.iter().map(|notice| notice.code.to_owned()).collect();
    let unknown: Vec<String> = used.difference(&known).cloned().collect();
    none("these codes have no words in page.rs", &unknown);
    let idle: Vec<String> = known.difference(&used).cloned().collect();
    none("no page gives these notices", &idle);
}

/// The last argument of every call that answers with a notice, where it is written out.
fn notices(text: &str) -> Vec<String> {
    let calls = text.match_indices("done(").chain(text.match_indices("answer("));
    let arguments = calls.filter_map(|(at, name)| balanced(&text[at + name.len()..]));
    arguments.filter_map(|inside| inside.trim().trim_end_matches(',').strip_suffix('"')?.rsplit('"').next().map(str::to_owned)).collect()
}

/// Up to the bracket that closes one opened just before.
fn balanced(text: &str) -> Option<&str> {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    })?;
    Some(&text[..end])
}

#[test]
fn every_path_in_the_documents_exists() {
    let documents = files("", &[".md"]).into_iter().filter(|file| !file.path.starts_with("crates/wardkeep-web/assets"));
    let mut found = Vec::new();
    for file in documents {
        let folder = root().join(&file.path).parent().unwrap().to_owned();
        let links = file.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let links = links.filter(|link| !link.is_empty() && !link.contains(':')).map(|link| folder.join(link));
        let named = file.text.split('`').skip(1).step_by(2).filter(|words| is_path(words)).map(|words| root().join(words));
        found.extend(links.chain(named).filter(|path| !path.exists()).map(|path| format!("{}: {}", file.path, path.display())));
    }
    none("these documents name what is not there", &found);
}

/// Written in full from the repository's root.
fn is_path(words: &str) -> bool {
    let top = ["crates/", "docs/", "scripts/", "tests/", "bench/", ".ci/"];
    top.iter().any(|top| words.starts_with(top)) && !words.contains(['*', '<', '{', ' ', '…'])
}
