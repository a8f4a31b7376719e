//! What has to hold for whatever a container engine answers: a panic is a find.

use std::io::{self, Read};

use super::Published;
use super::api::{Inspected, PORT_LIMIT, containers, fill_in, parse};
use super::http::{Response, read_response};
use crate::container::Endpoint;
use crate::target::Target;

/// An answer in HTTP. However it is cut it says the same, and its body is its end.
pub fn http(bytes: &[u8]) {
    let whole = read_response(&mut &bytes[..]).ok();
    assert_eq!(whole, read_response(&mut Pieces(bytes)).ok());
    if let Some(answer) = whole {
        assert!((200..600).contains(&answer.status));
        assert!(bytes.ends_with(&answer.body));
        let version = answer.podman.unwrap_or_default();
        // It becomes part of a path.
        assert!(
            version
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        );
    }
}

/// Three bytes at a time.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(3);
        self.0.read(&mut into[..length])
    }
}

/// The body of an answer: a list of containers, and what an inspection tells of one. What becomes part of a path is harmless, and what a
/// container is said to publish is a port.
pub fn engine(bytes: &[u8]) {
    let endpoint = Endpoint::Unix("/run/docker.sock".into());
    for status in [200, 500] {
        let response = Response {
            status,
            body: bytes.to_vec(),
            podman: None,
        };
        let mut found = match containers(&endpoint, &response) {
            Ok(found) => found,
            Err(error) => {
                // A refusal's text has a limit, and so has what is wrong with an answer.
                assert!(error.message.len() < 4000);
                Vec::new()
            }
        };
        assert!(found.iter().map(|one| one.ports.len()).sum::<usize>() <= PORT_LIMIT);
        if let Some(first) = found.first_mut()
            && let Ok(inspected) = parse::<Inspected>(&endpoint, &response)
        {
            fill_in(first, inspected);
        }
        let published = Published::new(found, Vec::new());
        for container in &published.containers {
            assert!((12..=128).contains(&container.id.len()));
            assert!(container.id.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert!(!container.ports.is_empty() && container.ports.is_sorted());
            let (first, last) = (
                container.ports[0],
                container.ports[container.ports.len() - 1],
            );
            assert_ne!(first.host_port, 0);
            for port in [first, last] {
                let target = Target::new(port.host_port).with_protocol(port.protocol);
                assert!(published.publishing(target).any(|other| other == container));
            }
        }
    }
    // An inspection by itself, which no list is at the same time.
    let response = Response {
        status: 200,
        body: bytes.to_vec(),
        podman: None,
    };
    if let Ok(inspected) = parse::<Inspected>(&endpoint, &response) {
        let list = Response {
            status: 200,
            body: br#"[{"Id":"0123456789ab","Ports":[{"PublicPort":80}]}]"#.to_vec(),
            podman: None,
        };
        let mut one = containers(&endpoint, &list).expect("a list").remove(0);
        fill_in(&mut one, inspected);
        assert_ne!(one.restart_policy.as_deref(), Some(""));
        let signal = one.stop_signal.unwrap_or("TERM".into());
        let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"+-".contains(&byte);
        assert!(!signal.is_empty() && signal.bytes().all(is_harmless));
    }
}
