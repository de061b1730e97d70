#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wardkeep_ledger::fuzzing::note(input));
