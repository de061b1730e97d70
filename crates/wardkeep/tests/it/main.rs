//! Tests of the repository as a whole (who may depend on whom, what must be nowhere), and of the
//! program: its files when somebody tampers with them, its words on the command line.

// `cfg(test)` tells clippy that helpers in here may unwrap as well.
#[cfg(test)]
mod cli_run;
#[cfg(test)]
mod house;
#[cfg(test)]
mod source;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tamper_edits;
#[cfg(test)]
mod tamper_edits_log;
#[cfg(test)]
mod tamper_hospital;
#[cfg(test)]
mod tidy;
