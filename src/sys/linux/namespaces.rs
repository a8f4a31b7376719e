//! Other network namespaces: what listens there. A process has the tables of its own namespace in its folder of `/proc`.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;

use rustix::fs::stat;

use super::proc_net;
use super::process::proc_path;
use super::row::state;
use super::scan::pids;
use super::sock_diag::Family;
use super::sockets::socket;
use crate::protocol::Protocol;
use crate::socket::{Socket, SocketState};

/// One of these processes for each network namespace but the calling thread's.
///
/// Each namespace has files of its own in `/proc`. Unlike the links that name it, anybody may look at them.
pub(super) fn others(among: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let file = |path: &str| stat(path).ok().map(|stat| stat.st_ino);
    let Some(own) = file("/proc/thread-self/net/sockstat") else {
        return Vec::new();
    };
    let mut others: BTreeMap<u64, u32> = BTreeMap::new();
    for pid in among {
        // That of one who has just ended is not there.
        if let Some(other) = file(&proc_path(pid, "net/sockstat")).filter(|&other| other != own) {
            others.entry(other).or_insert(pid);
        }
    }
    others.into_values().collect()
}

/// Those that listen on these ports in each network namespace but the caller's, as far as somebody in it can be looked at.
pub(crate) fn listening_elsewhere(ports: &HashSet<u16>) -> io::Result<Vec<Socket>> {
    let mut found = Vec::new();
    for pid in others(pids()?) {
        for (protocol, family) in [
            (Protocol::Tcp, Family::V4),
            (Protocol::Tcp, Family::V6),
            (Protocol::Udp, Family::V4),
            (Protocol::Udp, Family::V6),
        ] {
            let name = proc_net::name(protocol, family);
            // Without IPv6 there is no table of it; and this one may have ended.
            let Ok(table) = File::open(format!("/proc/{pid}/net/{name}")) else {
                continue;
            };
            let wanted = match protocol {
                Protocol::Tcp => (state::LISTEN, SocketState::Listen),
                Protocol::Udp => (state::CLOSE, SocketState::Unconnected),
            };
            let each = |row: super::row::Row| {
                if row.state == wanted.0 && ports.contains(&row.local.port()) {
                    found.extend(socket(protocol, wanted.1, row));
                }
            };
            // A table that can't be understood tells nothing; nobody is signalled or called free for it.
            let _ = proc_net::rows(table, each);
        }
    }
    Ok(found)
}
