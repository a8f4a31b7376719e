//! What the kernel says to a bind: asked by binding.

use std::fmt;
use std::io;

use crate::connection::Connection;
use crate::discovery::addresses;
use crate::protocol::Protocol;
use crate::socket::Survey;
use crate::sys::{self, Manner};
use crate::target::{Address, Target};

/// One bind that was tried, and the kernel's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindProbe {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address: the target's own, or the wildcard of an address family. The wildcard `::` was asked for IPv4 as well, as servers do it
    /// (Node, Go, Java), except on OpenBSD, which knows no such thing.
    pub address: Address,
    /// Whether `SO_REUSEADDR` was set.
    pub reuse_address: bool,
    /// What `bind(2)` answered, or `socket(2)` before it.
    pub result: Result<(), BindError>,
}

/// The system's error, in a form that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindError {
    /// Its kind.
    pub kind: io::ErrorKind,
    /// Its number (`errno`, or Windows' own).
    pub code: Option<i32>,
    /// The system's words for it.
    pub message: String,
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        Self {
            kind: error.kind(),
            code: error.raw_os_error(),
            message: error.to_string(),
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BindError {}

/// Tries every way to bind the target that can do no harm.
pub(super) fn probe(target: Target, survey: &Survey, connections: &[Connection]) -> Vec<BindProbe> {
    // Port 0 would get some other port.
    if target.port() == 0 {
        return Vec::new();
    }
    let Ok(mut addresses) = addresses(target) else {
        return Vec::new();
    };
    addresses.sort_unstable();
    let mut probes = Vec::new();
    for protocol in target.protocols() {
        let is_used = survey
            .sockets()
            .iter()
            .any(|socket| socket.protocol == protocol)
            || connections
                .iter()
                .any(|connection| connection.protocol == protocol);
        // Datagrams would go to the newcomer, as connections would on Windows.
        let reuse_would_harm = is_used && (protocol == Protocol::Udp || cfg!(windows));
        for &local in &addresses {
            for reuse_address in [false, true] {
                if reuse_address && reuse_would_harm {
                    continue;
                }
                let manner = Manner {
                    reuse_address,
                    dual_stack: true,
                };
                probes.push(BindProbe {
                    protocol,
                    address: local.into(),
                    reuse_address,
                    result: sys::try_bind(protocol, local, manner).map_err(BindError::from),
                });
            }
        }
    }
    probes
}
