//! Other network namespaces: what listens there. A process has the tables of its own namespace in its folder of `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::proc_net;
use super::row::state;
use super::scan::pids;
use super::sock_diag::Family;
use super::sockets::socket;
use crate::protocol::Protocol;
use crate::socket::{Socket, SocketState};

/// Those that listen on these ports in each network namespace but the caller's, as far as somebody in it can be looked at.
pub(crate) fn listening_elsewhere(ports: &HashSet<u16>) -> io::Result<Vec<Socket>> {
    // It is only told beside the answer, so that where it can't be asked nothing fails.
    let Ok(own) = fs::read_link("/proc/thread-self/ns/net") else {
        return Ok(Vec::new());
    };
    let mut others: HashMap<PathBuf, u32> = HashMap::new();
    for pid in pids()? {
        // Another user's is not shown, and that of one who has just ended is not there.
        if let Ok(namespace) = fs::read_link(format!("/proc/{pid}/ns/net"))
            && namespace != own
        {
            others.entry(namespace).or_insert(pid);
        }
    }
    let mut found = Vec::new();
    for pid in others.into_values() {
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
