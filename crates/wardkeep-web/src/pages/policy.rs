//! The rules in words, and why somebody may or may not.
//!
//! A question may hold an e-mail address and an MRN, so it is posted and never stands in a URL.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::policies::{Ask, Explained, RuleView, words};
use wardkeep_app::{Error, Result};
use wardkeep_domain::account::Role;
use wardkeep_domain::{FieldError, FieldErrors};
use wardkeep_policy::matrix::{Target, Who};
use wardkeep_policy::{Action, Fact, Verdict};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, render, render_invalid};

type Options = Vec<(&'static str, &'static str)>;

/// The list's filter; it names no person, so it may stand in a URL.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct RoleQuery {
    role: String,
}

/// A rule as listed.
struct Row {
    id: String,
    forbids: bool,
    reason: String,
    actions: String,
    about: String,
}

/// The rules of one file.
struct Group {
    file: String,
    site: bool,
    rows: Vec<Row>,
}

impl Row {
    fn new(view: &RuleView) -> Self {
        let rule = &view.rule;
        let everything = rule.actions.len() == Action::ALL.len();
        let about: Vec<String> = view.reach.iter().map(|who| who.label()).collect();
        Self {
            id: rule.id.clone(),
            forbids: rule.forbids,
            reason: rule.reason.clone(),
            actions: if everything {
                "Everything".to_owned()
            } else {
                rule.actions.iter().map(|action| words(*action)).collect::<Vec<_>>().join("; ")
            },
            // Every role meets it: the names would say nothing.
            about: match about.len() {
                0 => "Nobody yet: other rules speak first, or it names particular people".to_owned(),
                len if len >= Role::ALL.len() => "Everybody".to_owned(),
                _ => about.join(", "),
            },
        }
    }
}

fn groups(views: &[RuleView], role: Option<Role>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for view in views.iter().filter(|view| role.is_none_or(|role| view.reach.contains(&Who::Role(role)))) {
        match groups.last_mut().filter(|group| group.file == view.rule.file) {
            Some(group) => group.rows.push(Row::new(view)),
            None => groups.push(Group { file: view.rule.file.clone(), site: view.rule.site, rows: vec![Row::new(view)] }),
        }
    }
    groups
}

#[derive(Template)]
#[template(path = "policy/list.html")]
struct ListPage {
    page: Page,
    role: &'static str,
    role_label: &'static str,
    roles: Options,
    groups: Vec<Group>,
    site: usize,
}

fn roles() -> Options {
    Role::ALL.iter().map(|role| (role.code(), role.label())).collect()
}

pub async fn list(signed: Signed, Query(query): Query<RoleQuery>) -> Response {
    let role = Role::parse(&query.role).ok();
    match signed.web.app.policy_rules(&signed.ctx).await {
        Ok(views) => render(&ListPage {
            page: signed.page("Policy"),
            role: role.map_or("", Role::code),
            role_label: role.map_or("", Role::label),
            roles: roles(),
            groups: groups(&views, role),
            site: views.iter().filter(|view| view.rule.site).count(),
        }),
        Err(error) => signed.fail(&error),
    }
}

/// The question as typed.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct ExplainForm {
    role: String,
    email: String,
    action: String,
    mrn: String,
    fresh: String,
    in_care: String,
    own: String,
    author: String,
    oneself: String,
    emergency: String,
    proxy: String,
    marked: String,
}

impl ExplainForm {
    /// The boxes, each with its sentence.
    fn boxes(&self) -> [(&'static str, &'static str, bool); 8] {
        let ticked = |fact: Fact, name, value: &str| (name, fact.words(true), !value.is_empty());
        [
            ticked(Fact::Fresh, "fresh", &self.fresh),
            ticked(Fact::InCare, "in_care", &self.in_care),
            ticked(Fact::Own, "own", &self.own),
            ticked(Fact::Author, "author", &self.author),
            ticked(Fact::Oneself, "oneself", &self.oneself),
            ticked(Fact::Emergency, "emergency", &self.emergency),
            ticked(Fact::Proxy, "proxy", &self.proxy),
            ticked(Fact::Marked, "marked", &self.marked),
        ]
    }
    fn ask(&self) -> Result<Ask> {
        let (role, email) = (self.role.trim(), self.email.trim());
        if !role.is_empty() && !email.is_empty() {
            let words = "Choose a role or enter an address, not both.";
            return Err(Error::Invalid(FieldErrors(vec![FieldError::new("email", words)])));
        }
        let facts = [Fact::Fresh, Fact::InCare, Fact::Own, Fact::Author, Fact::Oneself, Fact::Emergency, Fact::Proxy, Fact::Marked];
        Ok(Ask {
            who: if email.is_empty() { role } else { email }.to_owned(),
            action: self.action.clone(),
            mrn: self.mrn.clone(),
            facts: facts.into_iter().zip(self.boxes()).filter(|(_, (.., ticked))| *ticked).map(|(fact, _)| fact).collect(),
            ..Ask::default()
        })
    }
}

/// The answer as shown.
struct Answer {
    who: String,
    action: &'static str,
    allowed: bool,
    verdict: Verdict,
    source: &'static str,
    facts: Vec<&'static str>,
    flips: Vec<Turn>,
}

/// A fact that alone would turn the answer.
struct Turn {
    words: &'static str,
    then: Verdict,
}

impl Answer {
    fn new(explained: Explained) -> Self {
        let told = explained.told;
        Self {
            who: if explained.person { format!("{}, {}", explained.who, explained.role.label()) } else { explained.who },
            action: words(told.action),
            allowed: told.verdict.allowed,
            verdict: told.verdict,
            source: match (explained.person, explained.patient) {
                (true, true) => "The account and the care team were read just now; the others are as you gave them.",
                (true, false) => "The account was read just now; the others are as you gave them.",
                _ => "Nothing was read: they are as you gave them.",
            },
            facts: told.facts.iter().map(|(fact, holds)| fact.words(*holds)).collect(),
            flips: told.flips.into_iter().map(|flip| Turn { words: flip.fact.words(flip.holds), then: flip.then }).collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "policy/explain.html")]
struct ExplainPage {
    page: Page,
    errors: FormErrors,
    form: ExplainForm,
    roles: Options,
    actions: Vec<(&'static str, Options)>,
    patients: bool,
    answer: Option<Answer>,
}

/// What may be asked about, by what it is done to.
fn actions() -> Vec<(&'static str, Options)> {
    let of = |target| {
        let asked = |action: &&Action| Target::of(**action) == target && **action != Action::RunJob;
        Action::ALL.iter().filter(asked).map(|action| (action.name(), words(*action))).collect()
    };
    vec![("A patient's chart", of(Target::Chart)), ("The hospital", of(Target::Hospital)), ("An account", of(Target::Account))]
}

fn template(signed: &Signed, form: ExplainForm, answer: Option<Answer>, errors: FormErrors) -> ExplainPage {
    let page = signed.page("Why, and why not");
    ExplainPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        form,
        roles: roles(),
        actions: actions(),
        patients: signed.ctx.role() == Some(Role::PrivacyOfficer),
        answer,
    }
}

pub async fn explain_page(signed: Signed) -> Response {
    render(&template(&signed, ExplainForm::default(), None, FormErrors::default()))
}

pub async fn explain(Posted { signed, form }: Posted<ExplainForm>) -> Response {
    let explained = match form.ask() {
        Ok(ask) => signed.web.app.explain(&signed.ctx, &ask).await,
        Err(error) => Err(error),
    };
    match explained {
        Ok(explained) => render(&template(&signed, form, Some(Answer::new(explained)), FormErrors::default())),
        Err(Error::Invalid(FieldErrors(errors))) => {
            let field = if form.email.trim().is_empty() { "role" } else { "email" };
            let at = |error: FieldError| if error.field == "who" { FieldError::new(field, error.message) } else { error };
            let errors = FieldErrors(errors.into_iter().map(at).collect());
            render_invalid(&template(&signed, form, None, errors.into()))
        }
        Err(error) => signed.fail(&error),
    }
}
