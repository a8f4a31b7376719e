//! Who is spared, and why; and whom it would be pointless to signal.

use std::ops::RangeInclusive;

use crate::holder::{Socket, SocketState};
use crate::outcome::SparedReason;
use crate::target::{Protocol, Target, overlap};

/// What sparing depends on, besides the holder.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The process that asks.
    pub caller: u32,
    /// Its ancestors.
    pub ancestors: Vec<u32>,
    /// Whether they are spared.
    pub spare_ancestors: bool,
    /// Where clients' local ports come from.
    pub ephemeral: RangeInclusive<u16>,
}

/// A holder, as far as the decision needs it.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub pid: u32,
    /// A kernel thread, or Windows' System.
    pub is_kernel: bool,
    /// PID 1, or a user's own service manager: everything that it has started would end with it.
    pub is_init: bool,
    /// Whether it is known to only forward the port to a container.
    pub is_forwarder: bool,
    /// Whether the system lets the caller signal it.
    pub permitted: bool,
    /// The target's sockets that it holds.
    pub sockets: &'a [Socket],
}

/// What is to be done with a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Signal,
    Spared(SparedReason),
    Denied,
    /// Somebody else keeps the port anyway.
    Withheld,
}

/// Decides on every holder of a target. `hidden` are the sockets that somebody unseen holds, alone or beside others.
///
/// *Look before you shoot:* among sockets whose addresses overlap, one that can't be freed makes it pointless to end the
/// holders of the others, so they are left alone.
pub(crate) fn judge(
    rules: &Rules,
    target: Target,
    candidates: &[Candidate<'_>],
    hidden: &[Socket],
) -> Vec<Verdict> {
    let own: Vec<Option<Verdict>> = candidates
        .iter()
        .map(|candidate| obstacle(rules, target, candidate))
        .collect();
    let mut blocked: Vec<&Socket> = hidden.iter().collect();
    for (candidate, verdict) in candidates.iter().zip(&own) {
        if verdict.is_some() {
            blocked.extend(candidate.sockets);
        }
    }
    if !blocked.is_empty() {
        spread(&mut blocked, candidates);
    }
    candidates
        .iter()
        .zip(own)
        .map(|(candidate, verdict)| {
            verdict.unwrap_or_else(|| {
                let can_be_freed = |socket| !blocked.contains(&socket);
                if candidate.sockets.iter().any(can_be_freed) {
                    Verdict::Signal
                } else {
                    Verdict::Withheld
                }
            })
        })
        .collect()
}

/// Adds every socket that overlaps a blocked one, and those that overlap these.
fn spread<'a>(blocked: &mut Vec<&'a Socket>, candidates: &[Candidate<'a>]) {
    let mut free: Vec<&Socket> = candidates
        .iter()
        .flat_map(|candidate| candidate.sockets)
        .filter(|socket| !blocked.contains(socket))
        .collect();
    let mut next = 0;
    while let Some(&blocker) = blocked.get(next) {
        next += 1;
        free.retain(|socket| {
            let meets = overlap(blocker, socket);
            if meets {
                blocked.push(socket);
            }
            !meets
        });
    }
}

/// What forbids to signal this holder, whatever the others are.
fn obstacle(rules: &Rules, target: Target, candidate: &Candidate<'_>) -> Option<Verdict> {
    let reason = if candidate.pid == rules.caller {
        SparedReason::Caller
    } else if candidate.is_kernel {
        if cfg!(windows) {
            SparedReason::System
        } else {
            SparedReason::Kernel
        }
    } else if candidate.is_init {
        SparedReason::Init
    } else if rules.spare_ancestors && rules.ancestors.contains(&candidate.pid) {
        SparedReason::Ancestor
    } else if candidate.is_forwarder {
        SparedReason::Forwarder
    } else if is_perhaps_a_client(rules, target, candidate) {
        SparedReason::Client
    } else {
        return (!candidate.permitted).then_some(Verdict::Denied);
    };
    Some(Verdict::Spared(reason))
}

/// A UDP socket that only sends looks to the kernel like a server. On an ephemeral port it counts as a client, unless UDP was
/// named or the process holds the target by another socket anyway.
fn is_perhaps_a_client(rules: &Rules, target: Target, candidate: &Candidate<'_>) -> bool {
    target.protocol != Some(Protocol::Udp)
        && rules.ephemeral.contains(&target.port)
        && !candidate.sockets.is_empty()
        && candidate
            .sockets
            .iter()
            .all(|socket| socket.state == SocketState::Unconnected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn socket(id: u64, protocol: Protocol, address: &str) -> Socket {
        let address: IpAddr = address.parse().unwrap();
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
            id,
            cgroup: 0,
        }
    }

    fn rules() -> Rules {
        Rules {
            caller: 50,
            ancestors: vec![40, 30, 1],
            spare_ancestors: true,
            ephemeral: 32768..=60999,
        }
    }

    fn candidate(pid: u32, sockets: &[Socket]) -> Candidate<'_> {
        Candidate {
            pid,
            is_kernel: false,
            is_init: pid == 1,
            is_forwarder: false,
            permitted: true,
            sockets,
        }
    }

    fn verdicts(candidates: &[Candidate<'_>], hidden: &[Socket]) -> Vec<Verdict> {
        judge(&rules(), Target::port(3000), candidates, hidden)
    }

    #[test]
    fn the_caller_its_ancestors_and_pid_1_are_spared_each_with_its_reason() {
        let sockets = [socket(7, Protocol::Tcp, "0.0.0.0")];
        for (pid, reason) in [
            (50, SparedReason::Caller),
            (40, SparedReason::Ancestor),
            #[cfg(unix)]
            (1, SparedReason::Init),
        ] {
            assert_eq!(
                verdicts(&[candidate(pid, &sockets)], &[]),
                [Verdict::Spared(reason)]
            );
        }
        let mut rules = rules();
        rules.spare_ancestors = false;
        for (pid, verdict) in [
            (50, Verdict::Spared(SparedReason::Caller)),
            (40, Verdict::Signal),
            #[cfg(unix)]
            (1, Verdict::Spared(SparedReason::Init)),
        ] {
            let candidates = [candidate(pid, &sockets)];
            assert_eq!(
                judge(&rules, Target::port(3000), &candidates, &[]),
                [verdict]
            );
        }
    }

    #[test]
    fn an_overlapping_holder_is_left_alone_when_another_is_out_of_reach() {
        let wildcard = [socket(1, Protocol::Tcp, "0.0.0.0")];
        let loopback = [socket(2, Protocol::Tcp, "127.0.0.1")];
        let other = [socket(3, Protocol::Tcp, "127.0.0.2")];
        let udp = [socket(4, Protocol::Udp, "0.0.0.0")];
        let denied = Candidate {
            permitted: false,
            ..candidate(60, &loopback)
        };
        let all = [
            denied,
            candidate(61, &wildcard),
            candidate(62, &other),
            candidate(63, &udp),
        ];
        use Verdict::{Denied, Signal, Withheld};
        assert_eq!(verdicts(&all, &[]), [Denied, Withheld, Withheld, Signal]);
        let apart = [
            Candidate {
                permitted: false,
                ..candidate(60, &loopback)
            },
            candidate(62, &other),
        ];
        assert_eq!(verdicts(&apart, &[]), [Denied, Signal]);
    }

    #[test]
    fn a_hidden_holder_beside_a_seen_one_blocks_it() {
        let shared = [socket(1, Protocol::Tcp, "0.0.0.0")];
        assert_eq!(
            verdicts(&[candidate(61, &shared)], &shared),
            [Verdict::Withheld]
        );
    }

    #[test]
    fn a_holder_of_tcp_and_udp_goes_if_one_of_them_can_be_freed() {
        let both = [
            socket(1, Protocol::Tcp, "0.0.0.0"),
            socket(2, Protocol::Udp, "0.0.0.0"),
        ];
        let hidden = [socket(3, Protocol::Udp, "127.0.0.1")];
        assert_eq!(
            verdicts(&[candidate(61, &both)], &hidden),
            [Verdict::Signal]
        );
    }

    #[test]
    fn udp_on_an_ephemeral_port_is_a_client_unless_named_or_held_otherwise() {
        let rules = rules();
        let at = |mut socket: Socket| {
            socket.port = 40789;
            socket
        };
        let udp = [at(socket(1, Protocol::Udp, "0.0.0.0"))];
        let both = [
            at(socket(1, Protocol::Udp, "0.0.0.0")),
            at(socket(2, Protocol::Tcp, "0.0.0.0")),
        ];
        let any = Target::port(40789);
        let client = [Verdict::Spared(SparedReason::Client)];
        assert_eq!(judge(&rules, any, &[candidate(61, &udp)], &[]), client);
        let named = any.protocol(Protocol::Udp);
        assert_eq!(
            judge(&rules, named, &[candidate(61, &udp)], &[]),
            [Verdict::Signal]
        );
        assert_eq!(
            judge(&rules, any, &[candidate(61, &both)], &[]),
            [Verdict::Signal]
        );
    }
}
