//! Reading policies: text in, rules that have been checked out. A file is refused whole and by
//! name, so a hospital's own file cannot half apply: what does not parse, does not fit the schema,
//! can never apply, or says no `@id` and `@reason` never reaches a decision.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Context, EntityId, EntityTypeName, EntityUid, Policy as Rule, PolicyId, PolicySet, RestrictedExpression, Schema,
    ValidationMode, Validator,
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
    ("patient.cedar", include_str!("../policies/patient.cedar")),
    ("machine.cedar", include_str!("../policies/machine.cedar")),
    ("second_person.cedar", include_str!("../policies/second_person.cedar")),
    ("service.cedar", include_str!("../policies/service.cedar")),
];
const SCHEMA: &str = include_str!("../policies/schema.cedarschema");
const SCHEMA_FILE: &str = "schema.cedarschema";

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("policy file {file} is refused: {cause}")]
    Invalid { file: String, cause: String },
}

fn invalid(file: &str, cause: impl std::fmt::Display) -> PolicyError {
    PolicyError::Invalid { file: file.to_owned(), cause: cause.to_string() }
}

/// What a rule says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Place in the files: of several rules that agree, the first one is named.
    pub(crate) order: usize,
    pub(crate) reason: String,
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

/// All rules of all files, each under its `@id`.
pub(crate) fn rules(files: &[(&str, &str)]) -> Result<(Vec<Rule>, HashMap<PolicyId, Said>), PolicyError> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| invalid(SCHEMA_FILE, error))?;
    let validator = Validator::new(schema);
    let mut rules = Vec::new();
    let mut said = HashMap::new();
    for (file, text) in files {
        for rule in of_file(file, text, &validator)? {
            let reason = rule.annotation("reason").unwrap_or_default().to_owned();
            if said.insert(rule.id().clone(), Said { order: rules.len(), reason }).is_some() {
                return Err(invalid(file, format!("@id(\"{}\") is taken by another rule", rule.id())));
            }
            rules.push(rule);
        }
    }
    Ok((rules, said))
}

fn of_file(file: &str, text: &str, validator: &Validator) -> Result<Vec<Rule>, PolicyError> {
    let parsed: PolicySet = text.parse().map_err(|error| invalid(file, error))?;
    if parsed.templates().next().is_some() {
        return Err(invalid(file, "a rule has a ?slot; templates are not used here"));
    }
    let mut rules = Vec::new();
    // Cedar numbers rules as they stand in the text.
    for number in 0..parsed.policies().count() {
        let Some(rule) = parsed.policy(&PolicyId::new(format!("policy{number}"))) else {
            return Err(invalid(file, format!("rule {} cannot be found again", number + 1)));
        };
        let said = |name| rule.annotation(name).filter(|text| !text.trim().is_empty());
        let id = said("id").ok_or_else(|| invalid(file, format!("rule {} has no @id", number + 1)))?;
        if said("reason").is_none() {
            return Err(invalid(file, format!("rule {id} has no @reason")));
        }
        rules.push(rule.new_id(PolicyId::new(id)));
    }
    let set = PolicySet::from_policies(rules.iter().cloned()).map_err(|error| invalid(file, error))?;
    let result = validator.validate(&set, ValidationMode::Strict);
    if let Some(error) = result.validation_errors().next() {
        return Err(invalid(file, error));
    }
    // Above all a rule that can never apply: whoever wrote it believes that it protects something.
    if let Some(warning) = result.validation_warnings().next() {
        return Err(invalid(file, warning));
    }
    Ok(rules)
}

/// The rules of each action. The schema has no action groups, so a scope names its actions one by one.
pub(crate) fn by_action(rules: &[Rule]) -> Result<HashMap<Action, Asked>, PolicyError> {
    let kind = entity_type("Action")?;
    let asked = |action: &Action| {
        let uid = uid(&kind, action.name());
        let names = |rule: &&Rule| match rule.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(one) => one == uid,
            ActionConstraint::In(some) => some.contains(&uid),
        };
        let rules = PolicySet::from_policies(rules.iter().filter(names).cloned()).map_err(|error| invalid("policies", error))?;
        Ok((*action, Asked { uid, rules }))
    };
    Action::ALL.iter().map(asked).collect()
}
