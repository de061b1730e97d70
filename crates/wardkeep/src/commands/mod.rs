//! One file for each command.

pub(crate) mod backup;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod store;
pub(crate) mod stroke;
pub(crate) mod user;
pub(crate) mod verify;
pub(crate) mod witness;
