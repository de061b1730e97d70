//! The program as a whole: its files when somebody tampers with them, its life when it is killed,
//! its words on the command line.

mod cli_run;
mod tamper;
mod tamper_edits;
mod tamper_edits_log;
mod tamper_hospital;
