//! What `systemctl show` prints: `Key=value` lines, with a blank line between two units. Keys come in an order of its own.

use std::net::Ipv4Addr;

use super::Managed;
use crate::protocol::Protocol;

/// What is asked of a service, for [`managed`].
pub(crate) const OF_SERVICE: &str = "--property=Id,LoadState,Restart,TriggeredBy";

/// What is asked of all sockets, for [`socket_unit`].
pub(crate) const OF_SOCKET: &str = "--property=Id,ActiveState,Listen";

/// What is told of this unit. Of one that it has not loaded, systemd shows the defaults.
pub(crate) fn managed(shown: &str, unit: &str) -> Managed {
    let Some(block) =
        blocks(shown).find(|block| is(block, "Id", unit) && is(block, "LoadState", "loaded"))
    else {
        return Managed::default();
    };
    let triggers = values(block, "TriggeredBy").flat_map(str::split_whitespace);
    Managed {
        restart: values(block, "Restart").next().map(str::to_owned),
        socket: triggers
            .filter(|unit| unit.ends_with(".socket"))
            .map(str::to_owned)
            .next(),
    }
}

/// The active `.socket` unit that listens on this port.
pub(crate) fn socket_unit(shown: &str, port: u16, protocol: Protocol) -> Option<String> {
    let block = blocks(shown).find(|block| {
        is(block, "ActiveState", "active")
            && values(block, "Listen").any(|listen| listens(listen) == Some((port, protocol)))
    })?;
    values(block, "Id").next().map(str::to_owned)
}

fn blocks(shown: &str) -> impl Iterator<Item = &str> {
    shown.split("\n\n")
}

fn values<'a>(block: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    block.lines().filter_map(move |line| {
        let (named, value) = line.split_once('=')?;
        (named == key && !value.is_empty()).then_some(value)
    })
}

fn is(block: &str, key: &str, value: &str) -> bool {
    values(block, key).next() == Some(value)
}

/// `127.0.0.1:8080 (Stream)`, `[fe80::1]:53%eth0 (Datagram)`; not a path, an abstract name or a socket of a virtual machine.
fn listens(listen: &str) -> Option<(u16, Protocol)> {
    let (address, kind) = listen.rsplit_once(" (")?;
    let protocol = match kind {
        "Stream)" => Protocol::Tcp,
        "Datagram)" => Protocol::Udp,
        _ => return None,
    };
    let (host, port) = address.rsplit_once(':')?;
    let is_ip = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    let port = port.split('%').next().filter(|_| is_ip)?;
    Some((port.parse().ok()?, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_service_tells_its_restarting_and_its_socket() {
        for (shown, restart, socket) in [
            (
                "Restart=on-failure\nId=web.service\nLoadState=loaded\nTriggeredBy=web.timer web.socket\n",
                Some("on-failure"),
                Some("web.socket"),
            ),
            (
                "Restart=no\nId=web.service\nLoadState=loaded\n",
                Some("no"),
                None,
            ),
            (
                "Restart=no\nId=web.service\nTriggeredBy=\nLoadState=not-found\n",
                None,
                None,
            ),
            // The name was taken for a pattern.
            (
                "Restart=always\nId=other.service\nLoadState=loaded\n",
                None,
                None,
            ),
            ("Failed to connect to bus: No medium found\n", None, None),
            ("", None, None),
        ] {
            let told = managed(shown, "web.service");
            assert_eq!(
                (told.restart.as_deref(), told.socket.as_deref()),
                (restart, socket),
                "{shown}"
            );
        }
    }

    const SOCKETS: &str = "Listen=0.0.0.0:22 (Stream)
Listen=[::]:22 (Stream)
Id=ssh.socket
ActiveState=active

Listen=/run/docker.sock (Stream)
Id=docker.socket
ActiveState=active

Listen=127.0.0.1:8080 (Stream)
Id=stopped.socket
ActiveState=inactive

Id=web.socket
ActiveState=active
Listen=127.0.0.1:8080 (Stream)
Listen=[fe80::1]:53%eth0 (Datagram)
Listen=vsock:2:7000 (Stream)
Listen=@8081 (Stream)
Listen=audit 1 (Netlink)
";

    #[test]
    fn a_socket_unit_is_found_by_its_port() {
        for (port, protocol, unit) in [
            (22, Protocol::Tcp, Some("ssh.socket")),
            (22, Protocol::Udp, None),
            (8080, Protocol::Tcp, Some("web.socket")),
            (53, Protocol::Udp, Some("web.socket")),
            (7000, Protocol::Tcp, None),
            (8081, Protocol::Tcp, None),
            (1, Protocol::Tcp, None),
        ] {
            assert_eq!(socket_unit(SOCKETS, port, protocol).as_deref(), unit);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_a_panic(text in any::<String>(), port in any::<u16>()) {
            let _ = (managed(&text, "web.service"), socket_unit(&text, port, Protocol::Tcp));
        }

        #[test]
        fn any_lines_are_taken_without_a_panic(
            lines in "((Id|Listen|LoadState|ActiveState|TriggeredBy)?=?[\\[\\]a-z0-9.:%() \n]{0,20}){0,9}",
            port in any::<u16>(),
        ) {
            let _ = (managed(&lines, "web.service"), socket_unit(&lines, port, Protocol::Udp));
        }
    }
}
