//! Which ports a look at the socket tables is about.

use super::super::Ports;
use crate::protocol::Protocol;

/// The ports of one protocol: sorted, each once, and never port 0.
///
/// Port 0 is nobody's port, and in a request to the kernel it would mean "every port".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    These(Vec<u16>),
}

impl Wanted {
    /// The ports that are asked for with this protocol.
    pub(super) fn of(protocol: Protocol, ports: Ports<'_>) -> Self {
        match ports {
            Ports::All => Self::All,
            Ports::These(these) => {
                let mut numbers: Vec<u16> = these
                    .iter()
                    .filter(|(port, only)| *port != 0 && only.is_none_or(|only| only == protocol))
                    .map(|(port, _)| *port)
                    .collect();
                numbers.sort_unstable();
                numbers.dedup();
                Self::These(numbers)
            }
        }
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::These(ports) if ports.is_empty())
    }

    /// Whether this port is asked for.
    pub(super) fn contains(&self, port: u16) -> bool {
        match self {
            Self::All => port != 0,
            Self::These(ports) => ports.binary_search(&port).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_sorted_by_protocol_without_repeats_and_without_port_0() {
        let asked = [
            (53, Some(Protocol::Udp)),
            (8080, None),
            (0, None),
            (80, Some(Protocol::Tcp)),
            (8080, Some(Protocol::Tcp)),
        ];
        let ports = Ports::These(&asked);
        assert_eq!(
            Wanted::of(Protocol::Tcp, ports),
            Wanted::These(vec![80, 8080])
        );
        assert_eq!(
            Wanted::of(Protocol::Udp, ports),
            Wanted::These(vec![53, 8080])
        );
        assert!(Wanted::of(Protocol::Tcp, Ports::These(&[(0, None)])).is_empty());
    }

    #[test]
    fn all_means_every_port_but_0() {
        let all = Wanted::of(Protocol::Tcp, Ports::All);
        assert!(!all.is_empty());
        assert!(all.contains(1) && all.contains(65535));
        assert!(!all.contains(0));
    }
}
