//! Plain data: what a look saw of one target.

use std::rc::Rc;
use std::time::Duration;

use super::Id;
use crate::connection::Connection;
use crate::protocol::Protocol;
use crate::socket::{HiddenSocket, Socket};
use crate::target::Address;

/// What was seen of one target at one moment, as far as it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Its sockets.
    pub sockets: Vec<Socket>,
    /// Whether these are all: sockets that are bound without listening were asked for as well, and nothing was skipped.
    pub whole: bool,
    /// Whether nothing at all uses the port over TCP: see [`Discovery::is_clear`](super::Discovery::is_clear).
    pub clear: bool,
    /// Who holds them, if holders were looked for.
    pub found: Option<Found>,
    /// The binds that the kernel refused because the port is in use, if binds were tried.
    pub refusals: Option<Vec<Refusal>>,
    /// Signs that somebody serves there, if they were asked for.
    pub life: Life,
    /// What uses the port without listening, if binds were refused or if that was asked for.
    pub uses: Vec<Use>,
    /// What was started since the first signal and may be the next one in place of an ended holder, if that was looked for.
    pub newcomers: Option<Vec<Newcomer>>,
}

impl Sight {
    /// Whether binds were tried and one was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.refusals
            .as_ref()
            .is_some_and(|refusals| !refusals.is_empty())
    }

    /// The same, though nothing was seen that is in the way.
    pub(crate) fn is_refused_by_nobody(&self) -> bool {
        self.is_refused() && self.sockets.is_empty() && self.uses_in_the_way().next().is_none()
    }

    /// What uses the port over a protocol that the kernel does not let be bound.
    pub(crate) fn uses_in_the_way(&self) -> impl Iterator<Item = &Use> {
        let refusals = self.refusals.as_deref().unwrap_or_default();
        let is_refused = |protocol| refusals.iter().any(|refusal| refusal.protocol == protocol);
        self.uses
            .iter()
            .filter(move |used| is_refused(used.connection.protocol))
    }

    /// Those who have it, as far as they are seen.
    pub(crate) fn users_in_the_way(&self) -> impl Iterator<Item = Id> {
        let owners = self.uses_in_the_way().flat_map(|used| &used.owners);
        owners.copied()
    }
}

/// Signs that somebody has just served at a port that is free now: between one server and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Life {
    /// Whether there are connections that have not come to their end.
    pub is_connected: bool,
    /// How long ago the last one that has was closed.
    pub closed: Option<Duration>,
}

impl Life {
    pub(crate) fn was_closed_within(self, time: Duration) -> bool {
        self.closed.is_some_and(|ago| ago < time)
    }

    pub(crate) fn is_within(self, time: Duration) -> bool {
        self.is_connected || self.was_closed_within(time)
    }
}

/// Who holds sockets.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The holders, with their sockets.
    pub held: Vec<(Id, Vec<Socket>)>,
    /// The sockets without a holder.
    pub unheld: Vec<HiddenSocket>,
    /// The processes whose descriptors can't be read, sorted.
    pub unreadable: Rc<[u32]>,
    /// The processes that were there, after a look that may have missed holders among them.
    pub present: Rc<[u32]>,
    /// The descendants of the holders, if they were asked for.
    pub descendants: Vec<Id>,
    /// How long it took to find out.
    pub took: Duration,
}

/// A bind that failed since the port is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub protocol: Protocol,
    pub address: Address,
}

/// A connection whose local port is the target's.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub connection: Connection,
    /// The processes that have it.
    pub owners: Vec<Id>,
    /// Whether this end is the client's, as far as the ports and the servers of this machine tell.
    pub is_clients_end: bool,
}

/// A process that was started after a holder was told to end, and may take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newcomer {
    pub id: Id,
    /// Whether a supervisor started it: then it is given time to listen.
    pub is_supervised: bool,
}
