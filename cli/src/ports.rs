//! The grammar of PORT: what may be asked for, from a plain number to a pasted URL.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use kill_port::{
    Address, ParseTargetError, ParseTargetErrorKind, Protocol, Target, is_local, printable,
    survey_all,
};

use crate::next_step;
use crate::services;

/// What was asked for: the targets in the order asked, each once, and the ranges that some of them come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ports {
    /// Every target, each once.
    pub targets: Vec<Target>,
    /// The ranges of more than one port, in the order asked.
    pub ranges: Vec<Range>,
    /// Targets that were named by themselves as well as, perhaps, by a range.
    single: HashSet<Target>,
}

/// Ports from the first to the last, both included, that share a protocol and an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: Target,
    last: u16,
}

impl Range {
    /// The targets of the range, by port.
    pub fn targets(self) -> impl Iterator<Item = Target> {
        (self.first.port()..=self.last).map(move |port| self.first.with_port(port))
    }

    /// Whether the target comes from here.
    pub fn contains(self, target: Target) -> bool {
        (self.first.port()..=self.last).contains(&target.port())
            && self.first.with_port(target.port()) == target
    }

    fn is_single(self) -> bool {
        self.first.port() == self.last
    }
}

impl fmt::Display for Range {
    /// `3000-3010`, `127.0.0.1:3000-3010/tcp`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first.to_string();
        let (bare, protocol) = first.split_once('/').unwrap_or((&first, ""));
        let slash = if protocol.is_empty() { "" } else { "/" };
        write!(f, "{bare}-{}{slash}{protocol}", self.last)
    }
}

impl Ports {
    fn of(ranges: Vec<Range>) -> Self {
        let mut ports = Self::default();
        let mut seen = HashSet::new();
        for range in ranges {
            if range.is_single() {
                ports.single.insert(range.first);
            } else if !ports.ranges.contains(&range) {
                ports.ranges.push(range);
            }
            ports
                .targets
                .extend(range.targets().filter(|&target| seen.insert(target)));
        }
        ports
    }

    /// Targets that were each named by themselves.
    pub fn single(targets: Vec<Target>) -> Self {
        Self {
            single: targets.iter().copied().collect(),
            targets,
            ranges: Vec::new(),
        }
    }

    /// Whether the target was named by itself, and not only as a part of a range.
    pub fn is_single(&self, target: Target) -> bool {
        self.single.contains(&target)
    }
}

/// Parses every PORT. `only` is what `--tcp` or `--udp` asks for.
///
/// # Errors
/// One line that says what is wrong and how to write it instead.
pub fn parse<S: AsRef<str>>(arguments: &[S], only: Option<Protocol>) -> Result<Ports, String> {
    ranges(arguments, only).map(Ports::of)
}

/// The same without taking ranges apart: a port alone is a range of one.
///
/// # Errors
/// The same. Whatever of the arguments it quotes, as they are or as a part of what to write instead, is safe to print.
pub fn ranges<S: AsRef<str>>(
    arguments: &[S],
    only: Option<Protocol>,
) -> Result<Vec<Range>, String> {
    let of_one = |argument: &str| {
        if let Some(line) = two_meanings(argument) {
            return Err(line);
        }
        let ranges = elements(argument).map_err(|wrong| wrong.in_words(arguments))?;
        let ranges = ranges.into_iter();
        ranges
            .map(|range| narrow(range, argument, only))
            .collect::<Result<Vec<Range>, String>>()
    };
    let each = arguments.iter().map(|argument| of_one(argument.as_ref()));
    let all: Result<Vec<Vec<Range>>, String> = each.collect();
    all.map(|all| all.concat())
        .map_err(|line| printable(&line).into_owned())
}

/// What is wrong with a number that has its thousands apart, as in `8,080`: that may be two ports as well.
fn two_meanings(argument: &str) -> Option<String> {
    let argument = argument.trim_end_matches(',');
    let (numbers, _) = argument.split_at(argument.find('/').unwrap_or(argument.len()));
    let (first, second) = numbers.split_once(',')?;
    let is_thousands = is_number(first) && is_number(second) && second.len() == 3;
    let (thousands, rest) = (first.parse::<u8>().ok()?, second.parse::<u16>().ok()?);
    let whole = format!("{thousands}{second}");
    let is_likely = thousands < 10 || second.starts_with('0');
    if !is_thousands || thousands == 0 || !is_likely || whole.parse::<u16>().is_err() {
        return None;
    }
    let one = format!("write the port as `{whole}`");
    Some(match rest {
        0 => format!("'{argument}': {one}"),
        _ => format!("'{argument}' may be one port or two; {one}, or both as `{thousands} {rest}`"),
    })
}

/// Applies `--tcp` or `--udp`.
fn narrow(mut range: Range, argument: &str, only: Option<Protocol>) -> Result<Range, String> {
    match (range.first.protocol(), only) {
        (Some(own), Some(only)) if own != only => Err(format!(
            "'{argument}' asks for {own} and --{only} for {only}; leave one of them out"
        )),
        (None, Some(only)) => {
            range.first = range.first.with_protocol(only);
            Ok(range)
        }
        _ => Ok(range),
    }
}

/// Splits an argument at its commas. A comma in a URL's path belongs to the URL, which then takes all the rest. One at the end is
/// what a shell leaves of `3000, 3001`.
fn elements(argument: &str) -> Result<Vec<Range>, Wrong> {
    let mut ranges = Vec::new();
    let mut rest = argument;
    loop {
        let (range, tail) = match scheme(rest) {
            Some((scheme, after)) => url(rest, scheme, after)?,
            None => match rest.split_once(',') {
                Some((element, tail)) => (plain(element)?, Some(tail)),
                None => (plain(rest)?, None),
            },
        };
        ranges.push(range);
        match tail {
            Some(tail) if !tail.trim().is_empty() => rest = tail,
            _ => return Ok(ranges),
        }
    }
}

/// The scheme that a URL begins with, and what is behind `://`. Nothing further on is looked at: there may be thousands of elements.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
    let (scheme, rest) = text.split_at_checked(text.find(|character| !is_part(character))?)?;
    let after = rest.strip_prefix("://")?;
    scheme
        .starts_with(|first: char| first.is_ascii_alphabetic())
        .then_some((scheme, after))
}

/// A URL and what follows it. Only its host and port count.
fn url<'a>(whole: &str, scheme: &str, after: &'a str) -> Result<(Range, Option<&'a str>), Wrong> {
    let end = after.find(['/', '?', '#', '\\']);
    let region = end.map_or(after, |end| after.get(..end).unwrap_or(after));
    // Whatever precedes the last `@` is the user's name and password.
    let host_start = region.rfind('@').map_or(0, |at| at + 1);
    let host_and_tail = region.get(host_start..).unwrap_or(region);
    let (authority, tail) = match host_and_tail.split_once(',') {
        // The tail runs on to the end of the argument, past the region.
        Some((authority, _)) => (authority, after.get(host_start + authority.len() + 1..)),
        None => (host_and_tail, None),
    };
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && !port.contains(']'));
    let text = if has_port {
        authority.to_owned()
    } else {
        let host = authority.strip_suffix(':').unwrap_or(authority);
        if host.is_empty() {
            return Err(Wrong::Said(format!(
                "'{whole}' names neither host nor port"
            )));
        }
        let Some(port) = default_port(scheme) else {
            return Err(Wrong::Said(format!(
                "'{whole}' names no port, and {scheme} has none by default; add it, as in `{scheme}://localhost:3000`"
            )));
        };
        format!("{host}:{port}")
    };
    // In a URL a `%` is written like this (RFC 6874).
    let mut first = target(&text.replacen("%25", "%", 1), whole)?;
    first = match scheme.to_ascii_lowercase().as_str() {
        "tcp" => first.with_protocol(Protocol::Tcp),
        "udp" => first.with_protocol(Protocol::Udp),
        _ => first,
    };
    let range = Range {
        first,
        last: first.port(),
    };
    Ok((range, tail))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// A port or a range, with an address before it and a protocol behind it; of a connection or a container's mapping the local side.
fn plain(element: &str) -> Result<Range, Wrong> {
    let written = element.trim();
    if written.contains(char::is_whitespace) {
        return Err(Wrong::NoPort(written.into()));
    }
    let (local, protocol) = local_side(written);
    let (host, ports) = match local.rfind(':') {
        Some(colon) => local.split_at(colon + 1),
        None => ("", local),
    };
    let one = |port: &str| target(&format!("{host}{port}{protocol}"), written);
    let (first, last) = match first_and_last(ports) {
        Some((first, last)) if is_number(first) => (first, last),
        _ => {
            let first = match named_port(local, protocol) {
                Some(numbered) => target(&numbered?, written)?,
                None => one(ports)?,
            };
            return Ok(Range {
                first,
                last: first.port(),
            });
        }
    };
    let start = one(first)?;
    if last.is_empty() {
        return Err(Wrong::Said(format!(
            "'{written}' has no end; write it as in `{host}{first}-{}{protocol}`, or `{host}{first}{protocol}` for one port",
            start.port().saturating_add(10),
        )));
    }
    let end = one(last)?;
    if end.port() < start.port() {
        return Err(Wrong::Said(format!(
            "'{written}' runs backwards; did you mean `{host}{last}-{first}{protocol}`?"
        )));
    }
    Ok(Range {
        first: start,
        last: end.port(),
    })
}

/// What stands before the protocol, and the protocol with its slash. Behind an arrow is the other end of a connection
/// (`127.0.0.1:3000->127.0.0.1:51344`), or the port in a container, with the protocol of both (`0.0.0.0:8080->80/tcp`).
fn local_side(element: &str) -> (&str, &str) {
    let (local, remote) = match element.split_once("->") {
        Some((local, remote)) if !remote.is_empty() => (local, remote),
        _ => (element, element),
    };
    let slash = |text: &str| text.find('/').unwrap_or(text.len());
    let protocol = remote.get(slash(remote)..).unwrap_or_default();
    let rest = local.get(..slash(local)).unwrap_or_default();
    // As a browser shows it: `localhost:3000/`.
    let protocol = if protocol == "/" && rest.contains(':') {
        ""
    } else {
        protocol
    };
    (rest, protocol)
}

/// The two ends of a range: `3000-3010`, or `3000..3010`.
fn first_and_last(ports: &str) -> Option<(&str, &str)> {
    let dots = || {
        let (first, last) = ports.split_once("..")?;
        Some((first, last.strip_prefix('=').unwrap_or(last)))
    };
    dots().or_else(|| ports.split_once('-'))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `*:http-alt` with its number instead, if a name is where the port should be. Without an address a word is just a word.
fn named_port(local: &str, protocol: &str) -> Option<Result<String, Wrong>> {
    let at = local.rfind([':', '.']).filter(|&at| at > 0)?;
    let (host, name) = local.split_at(at + 1);
    let is_name = name.bytes().any(|byte| byte.is_ascii_alphabetic());
    let of: Target = format!("{host}1{protocol}").parse().ok()?;
    if !is_name {
        return None;
    }
    match services::port(name, of.protocol()) {
        Some(port) => Some(Ok(format!("{host}{port}{protocol}"))),
        None if host.ends_with('.') => None,
        None => Some(Err(Wrong::Said(format!(
            "'{local}': no port is called '{name}' here; `ss -n`, `netstat -n` and `lsof -P` print numbers"
        )))),
    }
}

/// Why something is not understood.
enum Wrong {
    /// This is not a port at all.
    NoPort(String),
    /// A line that says all.
    Said(String),
}

impl Wrong {
    /// One line. Where the arguments are what a program printed, it says which part of that to write.
    fn in_words<S: AsRef<str>>(self, arguments: &[S]) -> String {
        let written = match self {
            Self::Said(line) => return line,
            Self::NoPort(written) => written,
        };
        let words: Vec<&str> = arguments
            .iter()
            .flat_map(|argument| argument.as_ref().split_whitespace())
            .collect();
        if let Some(local) = pasted(&words) {
            return format!(
                "'{written}' is not a port; of this line, {}",
                next_step::is_enough(&local)
            );
        }
        if let Some(why) = not_meant(&written) {
            return format!("'{written}' {why}");
        }
        format!(
            "'{written}' is not a port: {}, as in `kill_port 8080`",
            ParseTargetErrorKind::Port
        )
    }
}

/// The local address in what a program printed: the first word that has both an address and a port, or a number that is called a
/// port.
fn pasted(words: &[&str]) -> Option<String> {
    let only = |word: &str| match elements(word).ok()?.as_slice() {
        [range] if range.is_single() => Some(range.first.to_string()),
        [range] => Some(range.to_string()),
        _ => None,
    };
    let bare = |word: &str| {
        let ends = |character: char| "()<>[]{}\"'`,;.!".contains(character);
        let start = word.trim_start_matches(|character| ends(character) && character != '[');
        only(start.trim_end_matches(':')).or_else(|| {
            only(start.trim_end_matches(|character| ends(character) || character == ':'))
        })
    };
    words.iter().enumerate().find_map(|(index, word)| {
        let is_called_port = index.checked_sub(1).and_then(|before| words.get(before));
        let is_called_port = is_called_port.is_some_and(|word| word.eq_ignore_ascii_case("port"));
        (is_called_port || word.contains([':', '.']))
            .then(|| bare(word))
            .flatten()
    })
}

/// What somebody may have meant who wrote this.
fn not_meant(written: &str) -> Option<String> {
    if written.starts_with(['/', '~']) || written.starts_with("./") {
        return Some(format!(
            "is a path, and only network ports are freed; `lsof {written}` shows who has it open"
        ));
    }
    let list: Vec<&str> = written.split_whitespace().collect();
    if list.len() > 1 {
        let is_list = list.iter().all(|word| elements(word).is_ok());
        return is_list.then(|| {
            let list = list.join(",");
            format!("is several ports in one word; put commas between them, as in `{list}`")
        });
    }
    if let Some(option) = ["list", "why", "help", "version", "dry-run", "json"]
        .iter()
        .find(|option| written == **option)
    {
        return Some(format!("is not a port; the option is `--{option}`"));
    }
    let address = written.strip_suffix(":*").unwrap_or(written);
    // Only IPv6 has brackets, though they are understood around a star as well.
    let bracketed = format!("[{address}]:8080");
    let with_port = [bracketed, format!("{address}:8080")];
    let is_target = |text: &&String| text.parse::<Target>().is_ok() && !text.contains("[*]");
    let with_port = with_port.iter().find(is_target);
    if let Some(example) = with_port.filter(|_| !address.is_empty()) {
        return Some(format!("names no port; add it, as in `{example}`"));
    }
    let port = services::port(written, None)?;
    Some(format!(
        "is not a port; `{port}` is that of the service of this name"
    ))
}

/// One target, with an error that quotes what was written.
fn target(text: &str, written: &str) -> Result<Target, Wrong> {
    text.parse()
        .map_err(|error: ParseTargetError| explain(error.kind(), text, written))
}

fn explain(kind: ParseTargetErrorKind, text: &str, written: &str) -> Wrong {
    Wrong::Said(match kind {
        ParseTargetErrorKind::Port if written.is_empty() => {
            "a port is missing; write it as in `kill_port 8080`".into()
        }
        ParseTargetErrorKind::Port => return Wrong::NoPort(written.into()),
        ParseTargetErrorKind::Address => return wrong_address(text, written),
        ParseTargetErrorKind::Interface => {
            let port = text.rsplit([':', '.']).next().unwrap_or_default();
            format!("'{written}': {kind}, as in `kill_port {port}`")
        }
        ParseTargetErrorKind::Protocol if written.starts_with(['/', '.', '~']) => {
            return Wrong::NoPort(written.into());
        }
        ParseTargetErrorKind::Protocol => {
            // As a browser's address line shows it.
            let address = written.split('/').next().unwrap_or_default();
            let address = address
                .parse()
                .ok()
                .filter(|target: &Target| target.address().is_some());
            match address {
                Some(address) => format!(
                    "'{written}': {kind}; without a path, {}",
                    next_step::is_enough(&address.to_string())
                ),
                None => format!("'{written}': {kind}, as in `kill_port 53/udp`"),
            }
        }
        _ => format!("'{written}': {kind}"),
    })
}

/// What stands before the last colon is no address that is understood.
fn wrong_address(text: &str, written: &str) -> Wrong {
    let kind = ParseTargetErrorKind::Address;
    let (rest, protocol) = text.split_at(text.find('/').unwrap_or(text.len()));
    let Some((host, port)) = rest.rsplit_once(':') else {
        return Wrong::Said(format!("'{written}': {kind}"));
    };
    let bracketed = format!("[{host}]:{port}{protocol}");
    if matches!(host, "tcp" | "udp") && port.parse::<Target>().is_ok() {
        return Wrong::Said(format!(
            "'{written}': the protocol follows the port, as in `kill_port {port}/{host}`"
        ));
    }
    let mapping =
        format!("of a container's mapping `HOST:CONTAINER` the host's port counts, `{host}`");
    let range = format!("{host}-{port}{protocol}");
    Wrong::Said(match port.parse::<u16>() {
        Ok(0) | Err(_) => return Wrong::NoPort(written.into()),
        Ok(_) if is_number(host) && elements(&range).is_ok() => {
            format!("'{written}': a range is written `{range}`, and {mapping}")
        }
        Ok(_) if host.parse::<Target>().is_ok() => format!("'{written}': {mapping}"),
        Ok(_) if bracketed.parse::<Target>().is_ok() => {
            format!("'{written}': an IPv6 address has brackets before a port, as in `{bracketed}`")
        }
        _ if rest.parse::<IpAddr>().is_ok() => return Wrong::NoPort(written.into()),
        Ok(port) => format!("'{written}': {kind}; {}", next_step::any_address(port)),
    })
}

/// The first target whose address is not one of this machine's. The system is asked once for each address. A server may have an
/// address that the machine has no more, or not yet (an interface that is down, `IP_FREEBIND`): what has a socket can be named.
pub fn first_foreign(targets: &[Target]) -> Option<Target> {
    let mut asked = HashSet::new();
    let used: LazyCell<HashSet<IpAddr>> = LazyCell::new(used_addresses);
    targets.iter().copied().find(|target| {
        target.address().is_some_and(|address| {
            let is_used = || match address {
                Address::Ip(ip) => used.contains(&ip),
                Address::OnInterface(ip, _) => used.contains(&IpAddr::V6(ip)),
                _ => true,
            };
            asked.insert(address) && matches!(is_local(address), Ok(false)) && !is_used()
        })
    })
}

/// Every address that a socket has. None where that can't be asked.
fn used_addresses() -> HashSet<IpAddr> {
    let survey = survey_all();
    let sockets = survey.iter().flat_map(|survey| survey.sockets());
    sockets
        .map(|socket| socket.address.to_canonical())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(arguments: &[&str]) -> Vec<String> {
        let request =
            parse(arguments, None).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        request.targets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_way_to_write_a_port_is_understood() {
        for (argument, targets) in [
            ("8080", "8080"),
            (":8080", "8080"),
            ("*:3000", "3000"),
            ("0.0.0.0:3000", "3000"),
            (":::3000", "3000"),
            ("[::]:3000", "3000"),
            ("3000,3001", "3000 3001"),
            ("3000, 3001", "3000 3001"),
            ("3000-3002", "3000 3001 3002"),
            ("3000-3001,53/udp", "3000 3001 53/udp"),
            ("3000-3001/tcp", "3000/tcp 3001/tcp"),
            ("127.0.0.1:3000-3001", "127.0.0.1:3000 127.0.0.1:3001"),
            ("[::1]:3000-3001/UDP", "[::1]:3000/udp [::1]:3001/udp"),
            ("65535-65535", "65535"),
            ("8080/tcp", "8080/tcp"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:8080", "[::1]:8080"),
            ("LocalHost:8080", "localhost:8080"),
            ("http://localhost:3000/path", "localhost:3000"),
            ("http://localhost:3000/a,b?c=1,2", "localhost:3000"),
            (
                "http://localhost:3000,http://127.0.0.1,9",
                "localhost:3000 127.0.0.1:80 9",
            ),
            ("HTTPS://127.0.0.1", "127.0.0.1:443"),
            ("https://[::1]/x", "[::1]:443"),
            ("http://localhost:/x", "localhost:80"),
            ("http://[::]:5173/", "5173"),
            ("http://0.0.0.0:8000", "8000"),
            ("ws://localhost", "localhost:80"),
            ("wss://localhost#top", "localhost:443"),
            ("http://user:pa,ss@localhost:3000/@x:1", "localhost:3000"),
            ("redis://:secret@127.0.0.1:6379/0", "127.0.0.1:6379"),
            ("udp://localhost:53", "localhost:53/udp"),
            ("3000,", "3000"),
            ("3000..3002", "3000 3001 3002"),
            ("127.0.0.1:3000..=3001", "127.0.0.1:3000 127.0.0.1:3001"),
            ("localhost:3000/", "localhost:3000"),
            ("127.0.0.53%lo:53", "127.0.0.53:53"),
            ("[fe80::1%7]:80", "[fe80::1%7]:80"),
            ("http://[fe80::1%257]:80/", "[fe80::1%7]:80"),
            ("http://shop.localhost:3000", "localhost:3000"),
            ("*.8080", "8080"),
            ("127.0.0.1.8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080->80/tcp", "8080/tcp"),
            ("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp", "8080/tcp"),
            (
                "127.0.0.1:9000-9001->80-81/udp",
                "127.0.0.1:9000/udp 127.0.0.1:9001/udp",
            ),
            ("127.0.0.1:3000->127.0.0.1:51344", "127.0.0.1:3000"),
            ("[::1]:3000->[::1]:51344", "[::1]:3000"),
        ] {
            assert_eq!(texts(&[argument]).join(" "), targets, "{argument}");
        }
    }

    #[test]
    fn duplicates_are_merged_in_the_order_asked() {
        assert_eq!(
            texts(&["3001", "3000-3002", "3001,3000", "3000/tcp"]),
            ["3001", "3000", "3002", "3000/tcp"]
        );
        let request = parse(&["3000-3002", "3001"], None).unwrap();
        assert_eq!(request.ranges.len(), 1);
        assert!(request.is_single(request.targets[1]));
        assert!(!request.is_single(request.targets[0]));
    }

    #[test]
    fn the_whole_range_of_ports_can_be_asked_for() {
        let request = parse(&["1-65535"], None).unwrap();
        assert_eq!(request.targets.len(), 65535);
        assert_eq!(request.ranges[0].to_string(), "1-65535");
        assert!(
            request
                .targets
                .iter()
                .all(|&target| request.ranges[0].contains(target))
        );
    }

    #[test]
    fn what_is_no_port_is_refused_in_one_line() {
        for argument in [
            "",
            " ",
            ",",
            "80,,",
            ",80",
            "3000->",
            "34000:34010",
            "3000:80",
            "8,080",
            "8,443",
            "10,000",
            "0:80",
            ":0/9:6/udp",
            "3000 3001",
            "30 000",
            "0.0.0.0%virbr0:67",
            "fe80::1:3000",
            "*:no-such-service",
            "127.0.0.1",
            "127.0.0.1:*",
            "/tmp/x.sock",
            "0",
            "-1",
            "-",
            "99999",
            "65536",
            "abc",
            "9-3",
            "3-",
            "-3",
            "1-2-3",
            "0-5",
            "1-65536",
            "80/sctp",
            "80/",
            "80/tcp/udp",
            "+80",
            "8 0",
            "0x50",
            "8080/path",
            "::1",
            "[::1]",
            "example.com:3000",
            "http://example.com:3000",
            "http://example.com",
            "http://localhost:0/",
            "http://localhost:abc",
            "ftp://localhost",
            "http://",
            "http:///x",
            "://3000",
            "256.1.1.1:80",
            "[127.0.0.1]:80",
            "localhost",
            "３０００",
            "\u{1b}[31m",
        ] {
            let error = parse(&[argument], None).unwrap_err();
            assert!(
                !error.contains(['\n', '\u{1b}']) && !error.is_empty(),
                "{argument}: {error}"
            );
        }
        let deep = "1:".repeat(60_000) + "1";
        assert!(!parse(&[deep], None).unwrap_err().is_empty());
        for (argument, instead) in [
            ("9-3", "`3-9`"),
            ("http://example.com:3000", "`kill_port 3000`"),
            ("3000-", "`3000-3010`"),
            ("34000:34010", "`34000-34010`"),
            ("8,080/tcp", "`8080`"),
            ("8,080,", "`8080`"),
            (
                "127.0.0.1:8080:80",
                "the host's port counts, `127.0.0.1:8080`",
            ),
            ("34000:34010/udp", "`34000-34010/udp`"),
            ("8,080", "as `8080`, or both as `8 80`"),
            ("10,080", "as `10080`, or both as `10 80`"),
            ("3,000", "'3,000': write the port as `3000`"),
            ("tcp:3000", "`kill_port 3000/tcp`"),
            ("list", "the option is `--list`"),
            ("3000:80", "'3000:80': of a container's mapping"),
            ("fe80::1:3000", "`[fe80::1]:3000`"),
            ("0.0.0.0%virbr0:67/udp", "`kill_port 67/udp`"),
            ("127.0.0.1", "`127.0.0.1:8080`"),
            ("::1", "`[::1]:8080`"),
            ("localhost:3000/login", "`kill_port localhost:3000`"),
            ("fe80::1", "`[fe80::1]:8080`"),
            ("localhost", "`localhost:8080`"),
            ("3000 3001", "`3000,3001`"),
            ("/tmp/x.sock", "`lsof /tmp/x.sock`"),
            ("http://localhost:3000.", "`kill_port localhost:3000`"),
            (
                "listen tcp :8080: bind: address already in use",
                "`kill_port 8080`",
            ),
            ("Port 8080 was already in use.", "`kill_port 8080`"),
            (
                "Error: listen EADDRINUSE: address already in use :::3000",
                "`kill_port 3000`",
            ),
        ] {
            let error = parse(&[argument], None).unwrap_err();
            assert!(error.contains(instead), "{argument}: {error}");
        }
    }

    #[test]
    fn what_a_refusal_quotes_is_safe_to_print_wherever_it_stands() {
        for argument in [
            "[::1%\x1b[2J]",
            "fe80::1%\u{202e}:80",
            "[::1%\x1b]:3000-",
            "[::1%\x1b]:3010-3000",
        ] {
            let line = parse(&[argument], None).unwrap_err();
            assert_eq!(printable(&line), line);
        }
    }

    #[test]
    fn one_protocol_narrows_and_contradicts() {
        let tcp = parse(&["8080", "9090/tcp"], Some(Protocol::Tcp)).unwrap();
        assert!(
            tcp.targets
                .iter()
                .all(|target| target.protocol() == Some(Protocol::Tcp))
        );
        let error = parse(&["8080/tcp"], Some(Protocol::Udp)).unwrap_err();
        assert!(error.contains("--udp"), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_is_found() {
        let request = parse(&["80", "127.0.0.1:80", "203.0.113.7:80"], None).unwrap();
        assert_eq!(
            first_foreign(&request.targets),
            request.targets.last().copied()
        );
        assert_eq!(first_foreign(&request.targets[..2]), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = parse(&[text], None);
        }

        #[test]
        fn nothing_that_looks_like_a_port_panics(text in "(http://|udp://)?[-0-9a-z:@\\[\\]./,*]{0,24}") {
            if let Ok(request) = parse(&[&text], None) {
                prop_assert!(request.targets.iter().all(|target| target.port() != 0), "{text}");
            }
        }

        #[test]
        fn a_range_is_its_ports(first in 1u16.., length in 0u16..50) {
            let last = first.saturating_add(length);
            let request = parse(&[format!("{first}-{last}")], None).unwrap();
            let ports: Vec<u16> = request.targets.iter().map(|target| target.port()).collect();
            prop_assert_eq!(ports, (first..=last).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_printed_can_be_parsed_again(port in 1u16.., address in any::<std::net::IpAddr>(), kind in 0..3) {
            let target = Target::new(port).with_address(address);
            let target = match kind {
                0 => target,
                1 => target.with_protocol(Protocol::Tcp),
                _ => target.with_protocol(Protocol::Udp),
            };
            prop_assert_eq!(parse(&[target.to_string()], None).unwrap().targets, [target]);
        }
    }
}
