//! Both ways, held against sockets that the test itself has.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_ipv6_v6only;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

use super::*;
use crate::socket::SocketId;

/// Says so past the capture of the test program, which would hide it.
fn skipped(why: &str) {
    let _ = io::Write::write_fmt(
        &mut io::stderr(),
        format_args!("SKIPPED, at least in part: {why}\n"),
    );
}

/// The tables in both ways, each with its name.
fn both_ways() -> [(&'static str, SocketTable); 2] {
    let by_netlink = SocketTable::open();
    if !matches!(by_netlink.link, Link::Open(_)) {
        skipped("netlink is refused here, so only /proc/net is tested");
    }
    [
        ("netlink", by_netlink),
        ("/proc/net", SocketTable::open_without_netlink()),
    ]
}

/// A bound socket and its port; `None`, said loudly, where this machine has no IPv6.
fn bound_to(address: SocketAddr, kind: SocketType, v6_only: bool) -> Option<(OwnedFd, u16)> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let make = || {
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
        if address.is_ipv6() {
            set_ipv6_v6only(&socket, v6_only)?;
        }
        bind(&socket, &address)?;
        Ok::<_, Errno>(socket)
    };
    let socket = match make() {
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if address.is_ipv6() => {
            skipped("no IPv6 on this machine");
            return None;
        }
        result => result.unwrap(),
    };
    let port = port_of(&socket);
    Some((socket, port))
}

fn port_of(socket: impl AsFd) -> u16 {
    SocketAddr::try_from(getsockname(socket).unwrap())
        .unwrap()
        .port()
}

fn inode_of(socket: impl AsFd) -> SocketId {
    rustix::fs::fstat(socket).unwrap().st_ino
}

fn listening(table: &mut SocketTable, port: u16) -> Vec<Socket> {
    let mut sockets = Vec::new();
    table
        .listening(Ports::These(&[(port, None)]), &mut sockets)
        .unwrap();
    sockets
}

/// Whether the socket with this inode is among those of the port.
fn find(sockets: Vec<Socket>, id: SocketId) -> Option<Socket> {
    sockets.into_iter().find(|socket| socket.id == id)
}

fn any(address: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(address.into(), 0)
}

fn expect_listening(address: SocketAddr, kind: SocketType, v6_only: bool) {
    let Some((socket, port)) = bound_to(address, kind, v6_only) else {
        return;
    };
    let (protocol, state) = if kind == SocketType::STREAM {
        listen(&socket, 8).unwrap();
        (Protocol::Tcp, SocketState::Listen)
    } else {
        (Protocol::Udp, SocketState::Unconnected)
    };
    for (way, mut table) in both_ways() {
        let by_netlink = matches!(table.link, Link::Open(_));
        let found = find(listening(&mut table, port), inode_of(&socket)).expect(way);
        assert_eq!(found.protocol, protocol, "{way}");
        assert_eq!(found.local(), SocketAddr::new(address.ip(), port), "{way}");
        assert_eq!(found.state, state, "{way}");
        assert_eq!(
            found.uid,
            Some(rustix::process::geteuid().as_raw()),
            "{way}"
        );
        assert_eq!(found.user, None, "{way}");
        // The text does not tell v6-only sockets from others.
        let dual_stack = address.is_ipv6() && !(v6_only && by_netlink);
        assert_eq!(found.dual_stack, dual_stack, "{way}");

        let other = match protocol {
            Protocol::Tcp => Protocol::Udp,
            Protocol::Udp => Protocol::Tcp,
        };
        let mut sockets = Vec::new();
        table
            .listening(Ports::These(&[(port, Some(other))]), &mut sockets)
            .unwrap();
        assert_eq!(find(sockets, inode_of(&socket)), None, "{way}");

        let mut sockets = Vec::new();
        table.listening(Ports::All, &mut sockets).unwrap();
        assert_eq!(find(sockets, inode_of(&socket)), Some(found), "{way}");
    }
}

#[test]
fn a_tcp_listener_on_ipv4_is_listed() {
    expect_listening(any(Ipv4Addr::LOCALHOST), SocketType::STREAM, false);
    expect_listening(any(Ipv4Addr::UNSPECIFIED), SocketType::STREAM, false);
}

#[test]
fn a_tcp_listener_on_ipv6_is_listed() {
    expect_listening(any(Ipv6Addr::LOCALHOST), SocketType::STREAM, true);
}

#[test]
fn a_dual_stack_and_a_v6_only_tcp_listener_are_told_apart() {
    expect_listening(any(Ipv6Addr::UNSPECIFIED), SocketType::STREAM, false);
    expect_listening(any(Ipv6Addr::UNSPECIFIED), SocketType::STREAM, true);
}

#[test]
fn an_unconnected_udp_socket_is_listed() {
    expect_listening(any(Ipv4Addr::LOCALHOST), SocketType::DGRAM, false);
    expect_listening(any(Ipv6Addr::LOCALHOST), SocketType::DGRAM, true);
    expect_listening(any(Ipv6Addr::UNSPECIFIED), SocketType::DGRAM, false);
    expect_listening(any(Ipv6Addr::UNSPECIFIED), SocketType::DGRAM, true);
}

#[test]
fn a_udp_clients_socket_is_a_connection_and_not_listed() {
    let server = UdpSocket::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    let client = UdpSocket::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    client.connect(server.local_addr().unwrap()).unwrap();
    let port = port_of(&client);
    for (way, mut table) in both_ways() {
        assert_eq!(
            find(listening(&mut table, port), inode_of(&client)),
            None,
            "{way}"
        );
        let mut connections = Vec::new();
        table
            .connections(Ports::These(&[(port, None)]), &mut connections)
            .unwrap();
        let found = connections
            .iter()
            .find(|connection| connection.id == inode_of(&client))
            .expect(way);
        assert_eq!(found.protocol, Protocol::Udp, "{way}");
        assert_eq!(found.state, ConnectionState::Established, "{way}");
        assert_eq!(found.local, client.local_addr().unwrap(), "{way}");
        assert_eq!(found.remote, server.local_addr().unwrap(), "{way}");
    }
}

#[test]
fn a_tcp_client_is_a_connection_on_its_own_port_and_not_listed() {
    let server = TcpListener::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let (accepted, _) = server.accept().unwrap();
    let port = port_of(&client);
    for (way, mut table) in both_ways() {
        assert_eq!(
            find(listening(&mut table, port), inode_of(&client)),
            None,
            "{way}"
        );
        assert_eq!(
            find(listening(&mut table, port_of(&server)), inode_of(&accepted)),
            None,
            "{way}"
        );
        let mut connections = Vec::new();
        table
            .connections(
                Ports::These(&[(port, Some(Protocol::Tcp))]),
                &mut connections,
            )
            .unwrap();
        let found = connections
            .iter()
            .find(|connection| connection.id == inode_of(&client))
            .expect(way);
        assert_eq!(found.state, ConnectionState::Established, "{way}");
        assert_eq!(found.remote, server.local_addr().unwrap(), "{way}");
    }
}

#[test]
fn a_connection_in_time_wait_has_no_owner_and_a_running_timer() {
    let server = TcpListener::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let (accepted, _) = server.accept().unwrap();
    let remote = client.local_addr().unwrap();
    // Who closes first is left in FIN_WAIT2 and then in TIME_WAIT, so it is the server's port that stays.
    drop(accepted);
    let mut end = [0];
    assert_eq!(io::Read::read(&mut &client, &mut end).unwrap(), 0);
    drop(client);
    let port = port_of(&server);
    for (way, mut table) in both_ways() {
        let deadline = Instant::now() + Duration::from_secs(30);
        let found = loop {
            let mut connections = Vec::new();
            table
                .connections(Ports::These(&[(port, None)]), &mut connections)
                .unwrap();
            let found = connections
                .into_iter()
                .find(|connection| connection.remote == remote)
                .expect(way);
            // The client's last segment may still be on its way.
            if found.state == ConnectionState::TimeWait || Instant::now() > deadline {
                break found;
            }
            std::thread::yield_now();
        };
        assert_eq!(found.state, ConnectionState::TimeWait, "{way}");
        assert_eq!(found.id, 0, "{way}");
        let timer = found.remaining.expect(way);
        assert!(
            !timer.is_zero() && timer <= Duration::from_secs(60),
            "{way}: {timer:?}"
        );
        // The listener is there, its leftover is not.
        let sockets = listening(&mut table, port);
        assert!(sockets.iter().all(|socket| socket.id != 0), "{way}");
        assert!(find(sockets, inode_of(&server)).is_some(), "{way}");
    }
}

/// Whether netlink can list sockets that are bound without listening.
fn tells_bound() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or_default());
    let version = (numbers.next(), numbers.next());
    let tells = version >= (Some(6), Some(8)) && matches!(SocketTable::open().link, Link::Open(_));
    if !tells {
        skipped("Linux 6.8 and netlink are needed to list bound TCP sockets");
    }
    tells
}

#[test]
fn a_tcp_socket_that_is_bound_without_listening_is_listed_by_the_dear_look_alone() {
    if !tells_bound() {
        return;
    }
    for (address, v6_only) in [
        (any(Ipv4Addr::LOCALHOST), false),
        (any(Ipv6Addr::LOCALHOST), true),
        (any(Ipv6Addr::UNSPECIFIED), true),
        (any(Ipv6Addr::UNSPECIFIED), false),
    ] {
        let Some((socket, port)) = bound_to(address, SocketType::STREAM, v6_only) else {
            continue;
        };
        // Once with TCP of both families in one dump, and once without.
        for refused in [Vec::new(), vec![Table::TcpOfBothFamilies]] {
            let mut table = SocketTable::open();
            table.refused.0 = refused;
            assert_eq!(find(listening(&mut table, port), inode_of(&socket)), None);
            let mut sockets = Vec::new();
            table
                .bound(Ports::These(&[(port, None)]), &mut sockets)
                .unwrap();
            let found = find(sockets, inode_of(&socket)).expect("bound");
            assert_eq!(found.state, SocketState::Bound);
            assert_eq!(found.local(), SocketAddr::new(address.ip(), port));
            assert_eq!(found.dual_stack, address.is_ipv6() && !v6_only);

            let mut sockets = Vec::new();
            table.bound(Ports::All, &mut sockets).unwrap();
            assert!(find(sockets, inode_of(&socket)).is_some());

            for nothing in [(port ^ 1, None), (port, Some(Protocol::Udp))] {
                let mut sockets = Vec::new();
                table.bound(Ports::These(&[nothing]), &mut sockets).unwrap();
                assert_eq!(find(sockets, inode_of(&socket)), None);
            }
        }
    }
}

#[test]
fn without_netlink_bound_sockets_are_passed_over_without_an_error() {
    let (_socket, port) = bound_to(any(Ipv4Addr::LOCALHOST), SocketType::STREAM, false).unwrap();
    let mut table = SocketTable::open_without_netlink();
    let mut sockets = Vec::new();
    table
        .bound(Ports::These(&[(port, None)]), &mut sockets)
        .unwrap();
    assert_eq!(sockets, []);
}

#[test]
fn what_netlink_does_not_offer_comes_from_proc_table_by_table() {
    let tcp = TcpListener::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    let udp = UdpSocket::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    let ports = [(port_of(&tcp), None), (port_of(&udp), None)];
    let all = [
        Table::TcpOfBothFamilies,
        Table::One(Protocol::Tcp, Family::V4),
        Table::One(Protocol::Tcp, Family::V6),
        Table::One(Protocol::Udp, Family::V4),
        Table::One(Protocol::Udp, Family::V6),
    ];
    for refused in 0..=all.len() {
        let mut table = SocketTable::open();
        table.refused.0 = all[..refused].to_vec();
        let mut sockets = Vec::new();
        table.listening(Ports::These(&ports), &mut sockets).unwrap();
        for id in [inode_of(&tcp), inode_of(&udp)] {
            let found = sockets.iter().filter(|socket| socket.id == id).count();
            assert_eq!(found, 1, "without {:?}", &all[..refused]);
        }
    }
}

#[test]
fn a_netlink_socket_that_holds_leftovers_does_not_disturb_the_next_look() {
    let server = TcpListener::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    let mut table = SocketTable::open();
    let Link::Open(netlink) = &mut table.link else {
        skipped("netlink is refused here");
        return;
    };
    sock_diag::send_without_reading(netlink, Table::One(Protocol::Tcp, Family::V4));
    let found = find(listening(&mut table, port_of(&server)), inode_of(&server));
    assert!(found.is_some());
}

#[test]
fn a_kernel_without_the_handlers_is_not_taken_for_one_without_sockets() {
    let server = TcpListener::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    let (netlink, kernel) = Netlink::with_a_false_kernel();
    let mut table = SocketTable::open_without_netlink();
    table.link = Link::Open(netlink);
    // Five tables, and each request is answered by an end with "no such file" in it.
    for sequence in 1..=5 {
        kernel.end(sequence, Errno::NOENT.raw_os_error());
    }
    for _ in 0..2 {
        let found = find(listening(&mut table, port_of(&server)), inode_of(&server));
        assert!(found.is_some());
    }
    assert_eq!(table.refused.0.len(), 5);
}

#[test]
fn many_ports_at_once_are_found_like_few() {
    let servers: Vec<TcpListener> = (0..MANY_CONNECTIONS + 3)
        .map(|_| TcpListener::bind(any(Ipv4Addr::LOCALHOST)).unwrap())
        .collect();
    for count in [1, MANY_LISTENING - 1, MANY_LISTENING, servers.len()] {
        // Each twice, once with and once without the protocol.
        let ports: Vec<_> = servers[..count]
            .iter()
            .flat_map(|server| {
                let port = port_of(server);
                [(port, None), (port, Some(Protocol::Tcp))]
            })
            .collect();
        for (way, mut table) in both_ways() {
            let mut sockets = Vec::new();
            table.listening(Ports::These(&ports), &mut sockets).unwrap();
            for (index, server) in servers.iter().enumerate() {
                let found = sockets
                    .iter()
                    .filter(|socket| socket.id == inode_of(server))
                    .count();
                assert_eq!(found, usize::from(index < count), "{way}, {count} ports");
            }
        }
    }
}

#[test]
fn port_0_and_no_port_ask_for_nothing() {
    let _server = TcpListener::bind(any(Ipv4Addr::LOCALHOST)).unwrap();
    for (way, mut table) in both_ways() {
        for nothing in [&[][..], &[(0, None)]] {
            let mut sockets = Vec::new();
            table
                .listening(Ports::These(nothing), &mut sockets)
                .unwrap();
            table.bound(Ports::These(nothing), &mut sockets).unwrap();
            assert_eq!(sockets, [], "{way}");
        }
    }
}

#[test]
fn a_table_can_be_sent_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<SocketTable>();
}

#[test]
fn addresses_of_this_machine_are_told_from_others() {
    for address in ["127.0.0.1", "127.8.9.10", "0.0.0.0", "::ffff:127.0.0.1"] {
        assert!(is_local(address.parse().unwrap()).unwrap(), "{address}");
    }
    // These are set apart for documentation, so nobody has them.
    for address in [
        "192.0.2.1",
        "2001:db8::1",
        "::ffff:192.0.2.1",
        "fe80::dead:beef",
    ] {
        assert!(!is_local(address.parse().unwrap()).unwrap(), "{address}");
    }
}

#[test]
fn every_ipv6_address_of_an_interface_is_local_the_link_local_ones_too() {
    let Ok(text) = std::fs::read_to_string("/proc/net/if_inet6") else {
        skipped("no IPv6 on this machine");
        return;
    };
    for line in text.lines() {
        let number = u128::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap();
        let address = IpAddr::V6(Ipv6Addr::from(number));
        assert!(is_local(address).unwrap(), "{address}");
    }
}

#[test]
fn sockets_on_ports_that_nobody_asks_for_leave_no_gaps_in_the_answer() {
    let any = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners: Vec<std::net::TcpListener> = (0..400).map(|_| any()).collect();
    let mut table = SocketTable::open();
    let mut all = Vec::new();
    if table.listening(Ports::All, &mut all).unwrap() {
        skipped("netlink does not serve, or more fits into a part than today");
        return;
    }
    let low: Vec<(u16, Option<Protocol>)> = (1..=1000).map(|port| (port, None)).collect();
    assert!(
        table
            .listening(Ports::These(&low), &mut Vec::new())
            .unwrap()
    );
    // And those that are asked for are found, the first and the last included.
    let mut own: Vec<u16> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect();
    own.sort_unstable();
    let (first, last) = (own[250], own[349]);
    let ports: Vec<(u16, Option<Protocol>)> = (first..=last).map(|port| (port, None)).collect();
    let mut found = Vec::new();
    table.listening(Ports::These(&ports), &mut found).unwrap();
    let found: Vec<u16> = found.iter().map(|socket| socket.port).collect();
    assert!(own[250..350].iter().all(|port| found.contains(port)));
    assert!(found.iter().all(|port| (first..=last).contains(port)));
}

#[test]
fn a_connection_that_a_changing_table_showed_twice_counts_once() {
    let connection = |id, remote: &str| Connection {
        protocol: Protocol::Tcp,
        local: "127.0.0.1:8080".parse().unwrap(),
        remote: remote.parse().unwrap(),
        state: ConnectionState::Established,
        id,
        uid: None,
        remaining: None,
    };
    let nobodys = [
        connection(0, "127.0.0.1:40000"),
        connection(0, "127.0.0.1:40001"),
    ];
    let owned = [
        connection(7, "127.0.0.1:40002"),
        connection(8, "127.0.0.1:40002"),
    ];
    let once = [nobodys, owned].concat();
    let mut twice = [once.clone(), once.clone()].concat();
    connections_once_each(&mut twice);
    assert_eq!(twice, once);
}
