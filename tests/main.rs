//! The library's integration tests: real processes, real sockets, real signals.

mod documents;
mod fixture;
#[cfg(target_os = "linux")]
mod linux;
mod portable;

/// Roles of this test program alone.
fn role(name: &str, params: &fixture::Params) -> bool {
    #[cfg(target_os = "linux")]
    if linux::play(name, params) {
        return true;
    }
    portable::inside::play(name, params)
}
