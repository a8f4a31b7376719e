//! How many TCP sockets there are, from `/proc/net/sockstat` and `sockstat6`: see `proc_pid_net(5)`.

use super::files;
use super::proc_net;

/// What the two files say of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    /// Every TCP socket that exists, in all network namespaces.
    allocated: u64,
    /// Those of both families in the tables of this namespace: they listen, or are connected or about to be.
    in_tables: u64,
}

/// Whether it is certain that no TCP socket is bound without listening, so that the kernel need not be asked to walk through all
/// of its sockets for one. `false` where that can't be told.
///
/// A socket counts as allocated before it enters a table and until after it has left it. One that is only bound is allocated all the
/// time and never in a table, so the sums can be equal beside it only if another socket is counted in a table and, microseconds before,
/// was not yet allocated. The files are read twice, and that would have to happen twice, with the same sums: each number has to be as
/// it was, so as many sockets would have to end in between, at the right moments, as were made. What still slips through is caught by
/// the bind, which has the last word before a port is called free.
pub(super) fn nothing_is_only_bound() -> bool {
    let Some(first) = counts() else {
        return false;
    };
    first.allocated == first.in_tables && counts() == Some(first)
}

fn counts() -> Option<Counts> {
    let v4 = read("sockstat")?;
    let v6 = read("sockstat6").unwrap_or_default();
    Some(Counts {
        allocated: number(&v4, "TCP:", "alloc")?,
        in_tables: number(&v4, "TCP:", "inuse")? + number(&v6, "TCP6:", "inuse").unwrap_or(0),
    })
}

fn read(name: &str) -> Option<String> {
    let content = files::content(proc_net::open(name).ok()?)?;
    String::from_utf8(content).ok()
}

/// The number behind a word in the line that begins like this.
fn number(text: &str, line: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|text| text.strip_prefix(line))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|found| *found == word)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str =
        "sockets: used 23\nTCP: inuse 5 orphan 0 tw 7 alloc 9 mem 243\nUDP: inuse 0 mem 0\n";

    #[test]
    fn the_numbers_are_read() {
        assert_eq!(number(TEXT, "TCP:", "inuse"), Some(5));
        assert_eq!(number(TEXT, "TCP:", "alloc"), Some(9));
        assert_eq!(number(TEXT, "TCP6:", "inuse"), None);
        assert_eq!(number("TCP: inuse", "TCP:", "inuse"), None);
    }

    #[test]
    fn a_socket_that_is_only_bound_is_never_missed() {
        let address: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        for _ in 0..1000 {
            assert!(!nothing_is_only_bound());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[A-Z0-9a-z: \n]{0,200}") {
            number(&text, "TCP:", "alloc");
        }
    }
}
