//! The names of ports: programs such as `ss` and `lsof` print them instead of numbers.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use kill_port::Protocol;

/// The port of a service by the system's own list, which is where those programs have the name from. `None` where the list is
/// missing, has no such name, or has several ports for it. It is read once: in what somebody pastes, each word may look like a name.
pub fn port(name: &str, protocol: Option<Protocol>) -> Option<u16> {
    static LIST: LazyLock<String> = LazyLock::new(|| {
        let list = fs::read(list()).unwrap_or_default();
        String::from_utf8_lossy(&list).into_owned()
    });
    static NAMES: LazyLock<Names<'static>> = LazyLock::new(|| names(&LIST));
    find(&NAMES, name, protocol)
}

/// The ports of each name, with their protocols.
type Names<'a> = HashMap<&'a str, Vec<(u16, &'a str)>>;

fn list() -> PathBuf {
    if cfg!(windows) {
        let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
        PathBuf::from(root).join(r"System32\drivers\etc\services")
    } else {
        "/etc/services".into()
    }
}

/// From lines such as `http-alt 8080/tcp webcache # proxies`.
fn names(list: &str) -> Names<'_> {
    let mut names = Names::new();
    for line in list.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some(official), Some(port)) = (words.next(), words.next()) else {
            continue;
        };
        let port = port.split_once('/');
        if let Some((Ok(port @ 1..), protocol)) = port.map(|(port, of)| (port.parse(), of)) {
            for name in [official].into_iter().chain(words) {
                names.entry(name).or_default().push((port, protocol));
            }
        }
    }
    names
}

/// The one port that a name has.
fn find(names: &Names<'_>, name: &str, protocol: Option<Protocol>) -> Option<u16> {
    let mut ports = names
        .get(name)?
        .iter()
        .filter(|(_, of)| protocol.is_none_or(|protocol| protocol.as_str() == *of))
        .map(|(port, _)| *port);
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
            assert_eq!(find(&names(list), name, protocol), port, "{name}");
        }
    }
}
