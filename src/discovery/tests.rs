//! Facts and sockets for tables.

use std::time::{Duration, SystemTime};

use super::Facts;
use crate::process::Process;
use crate::protocol::Protocol;
use crate::socket::{Socket, SocketState};
use crate::sys::Place;

/// An ordinary process.
pub(crate) fn facts(pid: u32) -> Facts {
    let mut process = Process::unknown(pid);
    process.name = format!("p{pid}");
    process.start_ticks = u64::from(pid) * 10;
    process.started = SystemTime::now().checked_sub(Duration::from_secs(60));
    Facts {
        process,
        place: Place::default(),
        is_kernel: false,
        is_init: false,
        is_forwarder: false,
        is_editor: false,
        stop_signal: None,
        may_signal: true,
        is_inside: None,
        has_unseen_child: false,
        unit: None,
        is_young: false,
        is_copy: false,
        ancestors: Vec::new(),
        unseen_parent: None,
    }
}

/// A socket on port 3000.
pub(crate) fn socket(id: u64, protocol: Protocol, address: &str) -> Socket {
    let address: std::net::IpAddr = address.parse().expect("an address");
    Socket {
        protocol,
        address,
        port: 3000,
        state: match protocol {
            Protocol::Tcp => SocketState::Listen,
            Protocol::Udp => SocketState::Unconnected,
        },
        uid: None,
        user: None,
        dual_stack: address.is_ipv6() && address.is_unspecified(),
        interface: 0,
        id,
    }
}
