//! Plain data: who is ended only if a caller says so.

/// Those who are spared unless they are included: see [`KillOptions::include`](crate::KillOptions::include).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Include {
    /// The ancestors of the caller: its shell, editor or test runner. The caller itself and PID 1 are always spared.
    Ancestors,
    /// Processes that use the port as the local port of a connection of their own, or whose UDP socket perhaps only sends.
    Clients,
}
