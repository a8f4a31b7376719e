//! The command's integration tests, through its binary.

#[path = "../../tests/fixture/mod.rs"]
mod fixture;

/// Roles of this test program alone.
fn role(_name: &str, _params: &fixture::Params) -> bool {
    false
}
