//! Plain data: who is ended only if a caller says so.

/// Those who are spared unless they are included: see [`KillOptions::include`](crate::KillOptions::include).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Include {
    /// The ancestors of the caller: its shell, editor or test runner. The caller itself and PID 1 are always spared.
    Ancestors,
    /// Editors and IDEs, and their servers on this machine, which may forward the port: their windows end with them.
    Editors,
    /// Processes that only forward the port to a container: an orphan that no engine knows any more, but any other as well. Its container then
    /// goes on without the port, and where one program forwards for all containers (Docker Desktop, `rootlesskit`) it ends with all of them.
    Forwarders,
    /// Processes that use the port as the local port of a connection of their own, or whose UDP socket perhaps only sends.
    Clients,
}

impl Include {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ancestors => "ancestors",
            Self::Editors => "editors",
            Self::Forwarders => "forwarders",
            Self::Clients => "clients",
        }
    }
}
