//! The rules as people read them, and what must hold of them whatever they say.

mod files;
mod matrix;
mod rules;
