//! Tests of the repository as a whole (who may depend on whom, what must be nowhere), and of the
//! program: its files when somebody tampers with them, its life when it is killed, its words on
//! the command line.

// `cfg(test)` tells clippy that helpers in here may unwrap as well.
#[cfg(test)]
mod asvs;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod cli_input;
#[cfg(test)]
mod cli_policy;
#[cfg(test)]
mod cli_run;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crash_server;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod house;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod pathways;
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
#[cfg(test)]
mod witness;
