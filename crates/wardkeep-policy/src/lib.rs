//! Who may do what. One question: may this *actor* do this *action* on this *resource* in this
//! *context*? Rules are Cedar text in `policies/`; deny wins, silence is no.
//!
//! Pure: no I/O, no clock, no randomness. Roles, care teams and ownership are judged here and
//! nowhere else. A [`Permit`] is made only by [`Policy::decide`].

pub mod action;
pub mod decide;
pub mod explain;
pub mod facts;
pub mod load;
pub mod matrix;
pub mod site;

pub use action::Action;
pub use decide::{Actor, Denial, Facts, Permit, Policy, Resource};
pub use explain::{Case, Explanation, Flip, Verdict};
pub use facts::{Fact, Held};
pub use load::{PolicyError, Rule};
pub use site::File;
