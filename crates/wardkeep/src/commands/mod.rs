//! One file for each command.

pub mod demo;
pub mod doctor;
pub mod init;
pub mod stroke;
pub mod user;
pub mod verify;
