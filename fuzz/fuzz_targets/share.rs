#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wardkeep_vault::fuzzing::share(input));
