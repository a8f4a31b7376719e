//! A target means the same however it is made: a wildcard narrows nothing, and a mapped address is the IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU16;

use kill_port::{Address, KillOptions, Protocol, Target};

use super::answer::Answer;
use crate::fixture::linux::ipv6_or_skip;
use crate::fixture::{Fixture, Port};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Every way to say this address and this port.
fn every_way(address: &str, port: u16) -> Vec<Target> {
    let ip = ip(address);
    let text = |host: String| -> Target { host.parse().expect("a target") };
    let mut ways = vec![
        Target::new(port).with_address(ip),
        Target::new(port).with_address(Address::Ip(ip)),
        Target::new(1).with_address(ip).with_port(port),
        Target::new(port)
            .with_address(IpAddr::V4(Ipv4Addr::LOCALHOST))
            .with_address(ip),
        SocketAddr::new(ip, port).into(),
        (ip, port).into(),
    ];
    match ip {
        IpAddr::V4(v4) => {
            ways.push(SocketAddrV4::new(v4, port).into());
            ways.push(text(format!("{v4}:{port}")));
        }
        IpAddr::V6(v6) => {
            ways.push(SocketAddrV6::new(v6, port, 0, 0).into());
            ways.push(SocketAddrV6::new(v6, port, 1, 2).into());
            ways.push(text(format!("[{v6}]:{port}")));
        }
    }
    ways.push(Target::try_from(SocketAddr::new(ip, port).to_string().as_str()).expect("a target"));
    ways
}

/// Addresses that narrow nothing.
const WILDCARDS: [&str; 3] = ["0.0.0.0", "::", "::ffff:0.0.0.0"];

#[test]
fn a_wildcard_narrows_nothing_however_the_target_is_made() {
    for address in WILDCARDS {
        for target in every_way(address, 3000) {
            assert_eq!(target, Target::new(3000), "{address}");
            assert_eq!(target.address(), None);
            assert_eq!(target.to_string(), "3000");
        }
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_address_however_the_target_is_made() {
    for address in ["127.0.0.1", "::ffff:127.0.0.1"] {
        for target in every_way(address, 3000) {
            assert_eq!(target.address(), Some(Address::Ip(ip("127.0.0.1"))));
            assert_eq!(target.to_string(), "127.0.0.1:3000");
        }
    }
}

#[test]
fn a_target_that_is_shown_is_the_same_when_it_is_read() {
    let made = [
        Target::from(8080),
        Target::from(NonZeroU16::MIN),
        Target::from((53, Protocol::Udp)),
        Target::from((IpAddr::V6(Ipv6Addr::LOCALHOST), 8080)).with_protocol(Protocol::Tcp),
        Target::new(8080).with_address(Address::Localhost),
        Target::from(SocketAddr::new(ip("::ffff:10.0.0.1"), 8080)),
    ];
    for target in made {
        assert_eq!(target.to_string().parse(), Ok(target));
    }
}

#[test]
fn a_server_is_not_overlooked_however_the_target_is_made() {
    let mut addresses = vec!["127.0.0.1", "::ffff:127.0.0.1"];
    addresses.extend(WILDCARDS);
    for listen in ["tcp/127.0.0.1", "tcp/0.0.0.0"] {
        let port = Port::claim();
        let server = Fixture::role("server").port(&port).listen(listen).start();
        for address in &addresses {
            for target in every_way(address, port.number()) {
                let plan = KillOptions::new().plan(target).expect("a plan");
                assert!(plan.would_free());
                assert_eq!(plan.holders.len(), 1, "{target} of {address} by {listen}");
                assert_eq!(plan.holders[0].holder.process.pid, server.pid());
            }
        }
    }
    for address in addresses {
        for way in 0..every_way(address, 1).len() {
            let port = Port::claim();
            let server = Fixture::server(&port);
            let target = every_way(address, port.number())[way];
            Answer::of(&KillOptions::new().kill(target)).freed(&[(server.pid(), "exited", "TERM")]);
        }
    }
}

#[test]
fn an_ipv6_server_is_found_by_the_ipv6_addresses() {
    if !ipv6_or_skip() {
        return;
    }
    for address in ["::1", "::", "0.0.0.0"] {
        for way in 0..every_way(address, 1).len() {
            let port = Port::claim();
            let server = Fixture::role("server")
                .port(&port)
                .listen("tcp6only/::1")
                .start();
            let target = every_way(address, port.number())[way];
            Answer::of(&KillOptions::new().kill(target)).freed(&[(server.pid(), "exited", "TERM")]);
        }
    }
}
