//! The names of ports: programs such as `ss` and `lsof` print them instead of numbers.

use std::fs;
use std::path::PathBuf;

use kill_port::Protocol;

/// The port of a service by the system's own list, which is where those programs have the name from. `None` where the list is
/// missing, has no such name, or has several ports for it.
pub fn port(name: &str, protocol: Option<Protocol>) -> Option<u16> {
    let list = fs::read(list()).ok()?;
    find(&String::from_utf8_lossy(&list), name, protocol)
}

fn list() -> PathBuf {
    if cfg!(windows) {
        let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
        PathBuf::from(root).join(r"System32\drivers\etc\services")
    } else {
        "/etc/services".into()
    }
}

/// The one port that lines such as `http-alt 8080/tcp webcache # proxies` have for a name.
fn find(list: &str, name: &str, protocol: Option<Protocol>) -> Option<u16> {
    let mut ports = list.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let official = words.next()?;
        let (port, of) = words.next()?.split_once('/')?;
        let is_named = official == name || words.any(|alias| alias == name);
        let is_asked = protocol.is_none_or(|protocol| protocol.as_str() == of);
        (is_named && is_asked)
            .then(|| port.parse().ok())
            .flatten()
            .filter(|port| *port != 0)
    });
    let first = ports.next()?;
    ports.all(|port| port == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_port_or_none() {
        let list = "# services\nhttp-alt\t8080/tcp  webcache # proxies\ndomain 53/tcp\ndomain 53/udp\n\
                    shell 514/tcp cmd\nshell 515/udp\nbroken\nodd x/tcp\nnone 0/tcp\n";
        let tcp = Some(Protocol::Tcp);
        for (name, protocol, port) in [
            ("http-alt", None, Some(8080)),
            ("webcache", tcp, Some(8080)),
            ("http-alt", Some(Protocol::Udp), None),
            ("domain", None, Some(53)),
            ("shell", None, None),
            ("shell", tcp, Some(514)),
            ("none", None, None),
            ("odd", None, None),
            ("proxies", None, None),
        ] {
            assert_eq!(find(list, name, protocol), port, "{name}");
        }
    }
}
