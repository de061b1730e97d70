//! A compact, de-identified view of all assessments in memory, kept in step with the store and
//! never on disk in the clear. Lists and summaries read it; nothing else does.

/// See the module.
#[derive(Debug, Default)]
pub struct Projection {
    _todo: (),
}
