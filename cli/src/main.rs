//! The command `kill_port`.

fn main() {}
