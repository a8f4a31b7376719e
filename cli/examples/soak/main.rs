//! Hours of trouble: random servers, random options, several callers at once, processes and connections that come and go beside
//! them, PIDs that wrap. `ci/soak.sh` runs it in namespaces of its own, and says what is checked.
//!
//! It is an example so that it can play the roles of the fixtures, is compiled with all tests, and is run by none of them.

#[cfg(target_os = "linux")]
mod act;
#[cfg(target_os = "linux")]
mod call;
#[cfg(target_os = "linux")]
mod churn;
#[cfg(target_os = "linux")]
mod dice;
#[cfg(target_os = "linux")]
mod kinds;
#[cfg(target_os = "linux")]
mod people;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod scene;
#[cfg(target_os = "linux")]
mod verdict;

kill_port_fixture::roles![
    #[cfg(target_os = "linux")]
    &[call::ROLES, churn::ROLES],
];

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("soak: it runs on Linux only");
}
