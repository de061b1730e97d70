//! `wardkeep policy …`: the rules as something to check, to read, to ask and to try.

use std::path::Path;

use serde_json::{Value, json};
use wardkeep_app::Error;
use wardkeep_app::policies::{self, Ask, DryRun, Explained, RuleView};
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::{FieldError, FieldErrors};
use wardkeep_policy::{Fact, Verdict};

use crate::cli::{Explain, Policy as Command};
use crate::home::Home;
use crate::house;
use crate::out::{Failure, Out};
use crate::policies as files;

pub(crate) async fn run(home: &Home, what: Command, out: &Out) -> Result<(), Failure> {
    match what {
        Command::Check { dir } => check(home, dir.as_deref(), out),
        Command::List => list(home, out),
        Command::Explain(options) => explain(home, &options, out).await,
        Command::Try { dir, days } => dry_run(home, &dir, days, out).await,
    }
}

fn check(home: &Home, dir: Option<&Path>, out: &Out) -> Result<(), Failure> {
    let Some(dir) = dir.or(home.policies.as_deref()) else {
        let text =
            format!("There are no policy files of the hospital's own. They are looked for in {}.", home.data.join("policies").display());
        out.done(&text, &json!({"dir": null, "rules": []}));
        return Ok(());
    };
    let site = files::read(dir)?;
    let policy = files::checked(&site)?;
    let rules: Vec<RuleView> = policies::views(&policy).into_iter().filter(|view| view.rule.site).collect();
    let mut text = format!("{} rules in {} files, and nothing is wrong with them.\n", rules.len(), site.files.len());
    rules.iter().for_each(|view| text.push_str(&line(view)));
    let names: Vec<&String> = site.files.iter().map(|(name, _)| name).collect();
    out.done(&text, &json!({"dir": dir, "files": names, "rules": rules.iter().map(shape).collect::<Vec<_>>()}));
    Ok(())
}

fn list(home: &Home, out: &Out) -> Result<(), Failure> {
    let rules = policies::views(&files::checked(&files::own(home.policies.as_deref())?)?);
    let mut text = format!("{:<26} {:<7} {:<24} REASON\n", "RULE", "EFFECT", "FILE");
    rules.iter().for_each(|view| text.push_str(&line(view)));
    out.done(&text, &json!({ "rules": rules.iter().map(shape).collect::<Vec<_>>() }));
    Ok(())
}

fn effect(view: &RuleView) -> &'static str {
    if view.rule.forbids { "forbid" } else { "permit" }
}

fn line(view: &RuleView) -> String {
    format!("{:<26} {:<7} {:<24} {}\n", view.rule.id, effect(view), view.rule.file, view.rule.reason)
}

fn shape(view: &RuleView) -> Value {
    let rule = &view.rule;
    json!({
        "id": rule.id, "effect": effect(view), "reason": rule.reason, "file": rule.file, "site": rule.site,
        "actions": rule.actions.iter().map(|action| action.name()).collect::<Vec<_>>(),
        "decides_about": view.reach.iter().map(|who| who.label()).collect::<Vec<_>>(),
    })
}

async fn explain(home: &Home, options: &Explain, out: &Out) -> Result<(), Failure> {
    let ask = Ask {
        who: options.actor.clone().or(options.role.clone()).unwrap_or_default(),
        action: options.action.clone(),
        mrn: options.patient.clone().unwrap_or_default(),
        facts: options.fact.iter().filter_map(|name| Fact::parse(name)).collect(),
        state: options.state.as_ref().and_then(|code| AccountState::ALL.into_iter().find(|state| state.code() == code)),
        about: options.about.as_ref().and_then(|code| Role::parse(code).ok()),
    };
    let explained = if options.role.is_some() {
        policies::of_role(&files::checked(&files::own(home.policies.as_deref())?)?, &ask)
    } else {
        let house = house::open(home).await?;
        let explained = house.app.explain(&house.operator(), &ask).await;
        house.close().await?;
        explained
    };
    let explained = explained.map_err(named)?;
    out.done(&told(&explained), &explained_shape(&explained));
    Ok(())
}

/// Under the names of the options.
fn named(error: Error) -> Failure {
    let Error::Invalid(FieldErrors(errors)) = error else { return error.into() };
    let option = |field| match field {
        "who" => "--actor",
        "mrn" => "--patient",
        field => field,
    };
    Error::Invalid(FieldErrors(errors.into_iter().map(|error| FieldError::new(option(error.field), error.message)).collect())).into()
}

fn answer(verdict: &Verdict) -> &'static str {
    if verdict.allowed { "allowed" } else { "refused" }
}

/// `allowed by doctor-in-care (doctor.cedar)`.
fn by(verdict: &Verdict) -> String {
    match &verdict.file {
        Some(file) => format!("{} by {} ({file})", answer(verdict), verdict.rule),
        None => format!("{}, as no rule allows it", answer(verdict)),
    }
}

fn told(explained: &Explained) -> String {
    let told = &explained.told;
    let person = if explained.person { format!("{}, {}", explained.who, explained.role.label()) } else { explained.who.clone() };
    let mut text = format!("{person}: {} is {}.\n", told.action.name(), by(&told.verdict));
    // Silence has nothing to add, but for the code that would help.
    if told.verdict.file.is_some() || told.flips.iter().any(|flip| flip.fact == Fact::Fresh) {
        text.push_str(&format!("  {}\n", told.verdict.reason));
    }
    let source = match (explained.person, explained.patient) {
        (true, true) => " (state of the account and care read from the hospital, the others as given)",
        (true, false) => " (state of the account read from the hospital, the others as given)",
        _ => " (as given)",
    };
    text.push_str(&format!("\nFacts taken{source}:\n"));
    told.facts.iter().for_each(|(fact, holds)| text.push_str(&format!("  {:<14} {}\n", fact.name(), fact.words(*holds))));
    text.push_str("\nWhat alone would change the answer:\n");
    if told.flips.is_empty() {
        text.push_str("  No single fact.\n");
    }
    for flip in &told.flips {
        text.push_str(&format!(
            "  {:<14} If it were so: “{}” Then it is {}.\n",
            flip.fact.name(),
            flip.fact.words(flip.holds),
            by(&flip.then)
        ));
    }
    text
}

fn verdict_shape(verdict: &Verdict) -> Value {
    json!({"answer": answer(verdict), "rule": verdict.rule, "reason": verdict.reason, "file": verdict.file})
}

fn explained_shape(explained: &Explained) -> Value {
    let told = &explained.told;
    let facts: serde_json::Map<String, Value> = told.facts.iter().map(|(fact, holds)| (fact.name().to_owned(), json!(holds))).collect();
    let flips: Vec<Value> =
        told.flips.iter().map(|flip| json!({"fact": flip.fact.name(), "value": flip.holds, "then": verdict_shape(&flip.then)})).collect();
    json!({
        "who": explained.who, "role": explained.role.code(), "account_read": explained.person, "care_read": explained.patient,
        "action": told.action.name(), "verdict": verdict_shape(&told.verdict), "facts": facts, "changes": flips,
    })
}

async fn dry_run(home: &Home, dir: &Path, days: u32, out: &Out) -> Result<(), Failure> {
    let site = files::read(dir)?;
    files::checked(&site)?;
    let house = house::open(home).await?;
    let run = house.app.try_policies(&house.operator(), &site, days).await;
    house.close().await?;
    let run = run?;
    out.done(&run_text(&run, days), &run_shape(&run, days));
    Ok(())
}

fn run_text(run: &DryRun, days: u32) -> String {
    let mut text = format!("The log holds {} decisions of the last {days} days.", run.decisions);
    if run.not_replayed > 0 {
        text.push_str(&format!(" {} of them cannot be replayed: an earlier version did not note what was asked.", run.not_replayed));
    }
    if run.cut {
        text.push_str(" There were more: the oldest were left out.");
    }
    if run.changes.is_empty() {
        text.push_str("\nThese rules would have answered every one of them in the same way.\n");
        return text;
    }
    text.push_str(&format!("\n\n{:>8}  {:<16} {:<22} NOW -> THEN\n", "COUNT", "WHO", "ACTION"));
    for change in &run.changes {
        let (before, after) = (by(&change.before), by(&change.after));
        text.push_str(&format!("{:>8}  {:<16} {:<22} {before} -> {after}\n", change.count, change.who.label(), change.action.name()));
    }
    if !run.examples.is_empty() {
        text.push_str("\nThe last times when the answer would have been the other one:\n");
    }
    for example in &run.examples {
        let then = if example.allowed_after { "allowed" } else { "refused" };
        text.push_str(&format!("  {}  {:<16} {:<22} {then}\n", example.at.staff(), example.who.label(), example.action.name()));
    }
    text
}

fn run_shape(run: &DryRun, days: u32) -> Value {
    let changes: Vec<Value> = run
        .changes
        .iter()
        .map(|change| {
            json!({
                "who": change.who.label(), "action": change.action.name(), "count": change.count,
                "now": verdict_shape(&change.before), "then": verdict_shape(&change.after),
            })
        })
        .collect();
    let examples: Vec<Value> = run
        .examples
        .iter()
        .map(|example| {
            let then = if example.allowed_after { "allowed" } else { "refused" };
            json!({"at": example.at.rfc3339(), "who": example.who.label(), "action": example.action.name(), "then": then})
        })
        .collect();
    json!({
        "days": days, "decisions": run.decisions, "not_replayed": run.not_replayed, "cut": run.cut, "changes": changes, "examples": examples,
    })
}
