//! A hospital's own rules, from files beside the data. They come after the embedded ones: a permit of
//! theirs may allow what no embedded rule forbids, a forbid of theirs wins over everything.

use crate::load::{self, FILES, PolicyError, refused};
use crate::matrix::JOBS;
use crate::{Action, Actor, Facts, Policy, Resource};

/// Most files of a hospital, and most bytes of one.
pub const FILES_MAX: usize = 100;
pub const FILE_BYTES_MAX: u64 = 256 * 1024;

/// File name and text.
pub type File = (String, String);

impl Policy {
    /// The embedded rules and these.
    ///
    /// # Errors
    /// The first fault, see [`check`].
    pub fn with_site(site: &[File]) -> Result<Self, PolicyError> {
        check(site).map_err(|mut faults| faults.swap_remove(0))
    }
}

/// The embedded rules and these, or everything that is wrong with these; never an empty list.
///
/// # Errors
/// As [`Policy::from_files`] for each file; a name or `@id` that an embedded rule has; a rule that
/// would keep a background job from its work.
pub fn check(site: &[File]) -> Result<Policy, Vec<PolicyError>> {
    let mut faults = Vec::new();
    if let Some((name, _)) = site.get(FILES_MAX) {
        faults.push(refused(name, format!("there are more than {FILES_MAX} files"), "Put rules together into fewer files."));
    }
    for (name, _) in site.iter().filter(|(name, _)| FILES.iter().any(|(embedded, _)| embedded == name)) {
        faults.push(refused(name, "a file of the program has this name", "Call it another name, for example site-doctor.cedar."));
    }
    let files: Vec<(&str, &str)> = FILES.iter().copied().chain(site.iter().map(|(name, text)| (name.as_str(), text.as_str()))).collect();
    let mut loaded = load::read(&files, FILES.len()).map_err(|fault| vec![fault])?;
    faults.append(&mut loaded.faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let policy = Policy::from_loaded(loaded).map_err(|fault| vec![fault])?;
    match stops_a_job(&policy) {
        Some(fault) => Err(vec![fault]),
        None => Ok(policy),
    }
}

/// Without its jobs the log is not sealed: a rule that reaches them was not meant to.
fn stops_a_job(policy: &Policy) -> Option<PolicyError> {
    let facts = Facts { second_factor: true, fresh: true, ..Facts::default() };
    let denial = JOBS.iter().find_map(|job| policy.decide(Actor::Job { job }, Action::RunJob, Resource::Hospital, facts).err())?;
    let file = policy.rule(&denial.rule).map_or("", |rule| rule.file.as_str());
    let cause = format!("rule {} keeps background jobs from their work, and the log would not be sealed", denial.rule);
    Some(refused(file, cause, "Begin its scope with “principal is Staff” or “principal is Patient”."))
}
