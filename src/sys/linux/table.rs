//! The socket table, and the way from its sockets to processes.

use std::io;
use std::ops::RangeInclusive;

use super::super::{Depth, Found, Ports};
use super::files;
use super::locked::{Call, aside};
use super::search;
use super::sockets::SocketTable;
use super::unlisted;
use crate::connection::Connection;
use crate::socket::{Socket, SocketId};

/// See the contract in `sys`.
pub(crate) struct Table {
    sockets: SocketTable,
    _call: Call,
}

impl Table {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            sockets: SocketTable::open(),
            _call: Call::begin(),
        })
    }

    pub(crate) fn listening(
        &mut self,
        ports: Ports<'_>,
        into: &mut Vec<Socket>,
    ) -> io::Result<bool> {
        self.sockets.listening(ports, into)
    }

    pub(crate) fn bound(&mut self, ports: Ports<'_>, into: &mut Vec<Socket>) -> io::Result<()> {
        self.sockets.bound(ports, into)
    }

    pub(crate) fn bound_unlisted(&mut self, port: u16, into: &mut Vec<Socket>) -> io::Result<()> {
        if !self.sockets.lists_bound() {
            refuse_foreign_proc()?;
            into.extend(aside(move || unlisted::bound_to(port))?);
        }
        Ok(())
    }

    pub(crate) fn connections(
        &mut self,
        ports: Ports<'_>,
        into: &mut Vec<Connection>,
    ) -> io::Result<()> {
        self.sockets.connections(ports, into)
    }

    pub(crate) fn find(
        &mut self,
        mut wanted: Vec<SocketId>,
        depth: Depth<'_>,
    ) -> io::Result<Found> {
        // Only now: that a port is free, the kernel tells without `/proc`.
        refuse_foreign_proc()?;
        wanted.sort_unstable();
        wanted.dedup();
        let closely = match depth {
            Depth::Quick { closely } => Some(closely.to_vec()),
            Depth::Complete => None,
        };
        aside(move || {
            let depth = match &closely {
                Some(closely) => Depth::Quick { closely },
                None => Depth::Complete,
            };
            search::find(&wanted, depth)
        })
    }
}

/// A `/proc` that belongs to another PID namespace (after `unshare --pid` without mounting a new one) numbers processes differently: no PID in
/// it means what it says.
fn refuse_foreign_proc() -> io::Result<()> {
    let link = std::fs::read_link("/proc/self")
        .map_err(|error| io::Error::new(error.kind(), format!("/proc can't be read: {error}")))?;
    if link.to_str().and_then(|pid| pid.parse().ok()) == Some(std::process::id()) {
        return Ok(());
    }
    Err(io::Error::other(
        "/proc belongs to another PID namespace; mount the right one, for example with `unshare --pid --fork --mount-proc`",
    ))
}

/// The range from which the kernel takes local ports for clients, of this network namespace (`ip_local_port_range`).
pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    let range = || {
        let text = files::content_of("/proc/sys/net/ipv4/ip_local_port_range")?;
        let text = str::from_utf8(&text).ok()?;
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        Some(numbers.next()?.ok()?..=numbers.next()?.ok()?)
    };
    range().unwrap_or(32768..=60999)
}
