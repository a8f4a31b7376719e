//! The library's integration tests: real processes, real sockets, real signals.

mod fixture;

/// Roles of this test program alone.
fn role(_name: &str, _params: &fixture::Params) -> bool {
    false
}
