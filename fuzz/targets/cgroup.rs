#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kill_port::fuzzing::cgroup(bytes));
