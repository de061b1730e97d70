//! Reading policies: text in, rules that have been checked out. A file is refused whole and by
//! name, so a hospital's own file cannot half apply: what does not parse, does not fit the schema,
//! can never apply, or says no `@id` and `@reason` never reaches a decision.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Context, Effect, EntityId, EntityTypeName, EntityUid, Policy as Parsed, PolicyId, PolicySet, RestrictedExpression,
    Schema, ValidationMode, Validator,
};

use crate::Action;

/// The embedded rules, one file per role or theme.
pub const FILES: &[(&str, &str)] = &[
    ("everybody.cedar", include_str!("../policies/everybody.cedar")),
    ("administrator.cedar", include_str!("../policies/administrator.cedar")),
    ("doctor.cedar", include_str!("../policies/doctor.cedar")),
    ("nurse.cedar", include_str!("../policies/nurse.cedar")),
    ("registrar.cedar", include_str!("../policies/registrar.cedar")),
    ("privacy_officer.cedar", include_str!("../policies/privacy_officer.cedar")),
    ("stroke_coordinator.cedar", include_str!("../policies/stroke_coordinator.cedar")),
    ("researcher.cedar", include_str!("../policies/researcher.cedar")),
    ("emergency.cedar", include_str!("../policies/emergency.cedar")),
    ("patient.cedar", include_str!("../policies/patient.cedar")),
    ("machine.cedar", include_str!("../policies/machine.cedar")),
    ("explain.cedar", include_str!("../policies/explain.cedar")),
    ("second_person.cedar", include_str!("../policies/second_person.cedar")),
    ("service.cedar", include_str!("../policies/service.cedar")),
];
const SCHEMA: &str = include_str!("../policies/schema.cedarschema");
const SCHEMA_FILE: &str = "schema.cedarschema";

/// Longest `@id` and `@reason`.
const ID_CHARS_MAX: usize = 64;
const REASON_CHARS_MAX: usize = 400;
/// What the log writes in the place of a rule when none decided: no rule may be called so.
const RESERVED: [&str; 5] = ["default", "malformed", "too-fast", "many-charts", "many-emergencies"];

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("policy file {file} is refused: {cause}. {fix}")]
    Invalid { file: String, cause: String, fix: String },
}

pub(crate) fn refused(file: &str, cause: impl std::fmt::Display, fix: &str) -> PolicyError {
    let cause = cause.to_string();
    PolicyError::Invalid { file: file.to_owned(), cause: cause.trim_end_matches('.').to_owned(), fix: fix.to_owned() }
}

fn invalid(file: &str, cause: impl std::fmt::Display) -> PolicyError {
    refused(file, cause, "Correct the rule and check it with “wardkeep policy check”.")
}

/// A rule as it stands in its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    pub id: String,
    /// `forbid`, which wins over every `permit`.
    pub forbids: bool,
    pub reason: String,
    pub file: String,
    /// Of the hospital's own files.
    pub site: bool,
    /// What its scope names; everything when it names nothing.
    pub actions: Vec<Action>,
}

/// What was read, and everything that is wrong with it.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) parsed: Vec<Parsed>,
    /// In the order of the files: of several rules that agree, the first one is named.
    pub(crate) rules: Vec<Rule>,
    /// Places in `rules`.
    pub(crate) places: HashMap<PolicyId, usize>,
    pub(crate) faults: Vec<PolicyError>,
}

/// One action with the rules whose scope names it. Nothing else can match a request for it, and
/// weighing a handful of rules is several times faster than weighing all.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) uid: EntityUid,
    pub(crate) rules: PolicySet,
}

/// Entity types of the schema, parsed once.
#[derive(Debug)]
pub(crate) struct Types {
    pub(crate) staff: EntityTypeName,
    pub(crate) patient: EntityTypeName,
    pub(crate) job: EntityTypeName,
    pub(crate) operator: EntityTypeName,
    pub(crate) service: EntityTypeName,
    pub(crate) hospital: EntityTypeName,
    pub(crate) chart: EntityTypeName,
    pub(crate) account: EntityTypeName,
    pub(crate) request: EntityTypeName,
}

pub(crate) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn entity_type(name: &str) -> Result<EntityTypeName, PolicyError> {
    name.parse().map_err(|error| invalid(SCHEMA_FILE, error))
}

impl Types {
    pub(crate) fn parse() -> Result<Self, PolicyError> {
        Ok(Self {
            staff: entity_type("Staff")?,
            patient: entity_type("Patient")?,
            job: entity_type("Job")?,
            operator: entity_type("Operator")?,
            service: entity_type("Service")?,
            hospital: entity_type("Hospital")?,
            chart: entity_type("Chart")?,
            account: entity_type("Account")?,
            request: entity_type("Request")?,
        })
    }
}

/// Every combination of the schema's `Facts`; bit `n` of the place in the list is `names[n]`.
pub(crate) fn contexts(names: &[&str]) -> Result<Vec<Context>, PolicyError> {
    let context = |bits: usize| {
        let pairs = names.iter().enumerate().map(|(n, name)| ((*name).to_owned(), RestrictedExpression::new_bool(bits >> n & 1 == 1)));
        Context::from_pairs(pairs).map_err(|error| invalid(SCHEMA_FILE, error))
    };
    (0..1 << names.len()).map(context).collect()
}

/// All rules of all files, each under its `@id`. The first `embedded` files are the program's own.
pub(crate) fn read(files: &[(&str, &str)], embedded: usize) -> Result<Loaded, PolicyError> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| invalid(SCHEMA_FILE, error))?;
    let validator = Validator::new(schema);
    let action = entity_type("Action")?;
    let mut loaded = Loaded::default();
    for (number, (file, text)) in files.iter().enumerate() {
        for parsed in of_file(file, text, &validator, &mut loaded.faults) {
            let rule = Rule {
                id: parsed.id().to_string(),
                forbids: parsed.effect() == Effect::Forbid,
                reason: parsed.annotation("reason").unwrap_or_default().to_owned(),
                file: (*file).to_owned(),
                site: number >= embedded,
                actions: Action::ALL.iter().copied().filter(|one| names(&parsed, &uid(&action, one.name()))).collect(),
            };
            if let Some(taken) = loaded.places.get(parsed.id()).and_then(|place| loaded.rules.get(*place)) {
                let cause = format!("@id(\"{}\") is taken by another rule in {}", parsed.id(), taken.file);
                loaded.faults.push(refused(file, cause, "Give the rule an @id of its own."));
                continue;
            }
            loaded.places.insert(parsed.id().clone(), loaded.rules.len());
            loaded.rules.push(rule);
            loaded.parsed.push(parsed);
        }
    }
    Ok(loaded)
}

/// The good rules of a file; what is wrong goes to the faults.
fn of_file(file: &str, text: &str, validator: &Validator, faults: &mut Vec<PolicyError>) -> Vec<Parsed> {
    let set: PolicySet = match text.parse() {
        Ok(set) => set,
        Err(error) => {
            faults.push(invalid(file, error));
            return Vec::new();
        }
    };
    if set.templates().next().is_some() {
        faults.push(refused(file, "a rule has a ?slot; templates are not used here", "Write the rule without slots."));
        return Vec::new();
    }
    let mut rules: Vec<Parsed> = Vec::new();
    // Cedar numbers rules as they stand in the text.
    for number in 0..set.policies().count() {
        match set.policy(&PolicyId::new(format!("policy{number}"))).map(|rule| named(file, rule, number + 1)) {
            Some(Ok(rule)) if rules.iter().any(|other| other.id() == rule.id()) => {
                faults.push(refused(
                    file,
                    format!("@id(\"{}\") is taken by another rule in {file}", rule.id()),
                    "Give each rule an @id of its own.",
                ));
            }
            Some(Ok(rule)) => rules.push(rule),
            Some(Err(fault)) => faults.push(fault),
            None => faults.push(invalid(file, format!("rule {} cannot be found again", number + 1))),
        }
    }
    match PolicySet::from_policies(rules.iter().cloned()) {
        Ok(set) => {
            let result = validator.validate(&set, ValidationMode::Strict);
            let before = faults.len();
            faults.extend(result.validation_errors().map(|error| invalid(file, error)));
            // Above all a rule that can never apply: whoever wrote it believes that it protects
            // something. Beside an error it only says the same again.
            if faults.len() == before {
                faults.extend(result.validation_warnings().map(|warning| invalid(file, warning)));
            }
        }
        Err(error) => faults.push(invalid(file, error)),
    }
    rules
}

/// The rule under its own `@id`.
fn named(file: &str, rule: &Parsed, number: usize) -> Result<Parsed, PolicyError> {
    let said = |name| rule.annotation(name).filter(|text| !text.trim().is_empty());
    let id = said("id").ok_or_else(|| refused(file, format!("rule {number} has no @id"), "Begin it with @id(\"a-short-name\")."))?;
    let plain = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !plain || id.len() > ID_CHARS_MAX || RESERVED.contains(&id) {
        let fix = format!("Use up to {ID_CHARS_MAX} small letters, digits and hyphens, and none of {}.", RESERVED.join(", "));
        return Err(refused(file, format!("rule {number} cannot have this @id"), &fix));
    }
    let reason =
        said("reason").ok_or_else(|| refused(file, format!("rule {id} has no @reason"), "Add @reason(\"A sentence for people.\")."))?;
    if reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        return Err(refused(file, format!("the @reason of rule {id} is too long"), "Say it in one line of at most 400 characters."));
    }
    Ok(rule.new_id(PolicyId::new(id)))
}

/// Does the rule's scope name this action? The schema has no action groups, so a scope names its
/// actions one by one.
fn names(rule: &Parsed, action: &EntityUid) -> bool {
    match rule.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == *action,
        ActionConstraint::In(some) => some.contains(action),
    }
}

/// The rules of each action.
pub(crate) fn by_action(rules: &[Parsed]) -> Result<HashMap<Action, Asked>, PolicyError> {
    let kind = entity_type("Action")?;
    let asked = |action: &Action| {
        let uid = uid(&kind, action.name());
        let rules = rules.iter().filter(|rule| names(rule, &uid)).cloned();
        let rules = PolicySet::from_policies(rules).map_err(|error| invalid("policies", error))?;
        Ok((*action, Asked { uid, rules }))
    };
    Action::ALL.iter().map(asked).collect()
}
