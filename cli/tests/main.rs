//! The command's integration tests, through its binary.

#[path = "../../tests/fixture/mod.rs"]
mod fixture;

mod arguments;
mod command;
#[cfg(target_os = "linux")]
mod containers;
mod documents;
mod floors;
#[cfg(target_os = "linux")]
mod linux;
mod portable;

/// Roles of this test program alone.
fn role(_name: &str, _params: &fixture::Params) -> bool {
    false
}
