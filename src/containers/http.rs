//! As much HTTP/1.0 as it takes to ask a container engine a question.
//!
//! One request, one answer, then the connection ends, and the answer with it: version 1.0 has no chunks and no interim answers. What
//! comes back is hostile input: every length is limited, and nothing in it can cause a panic or an endless wait. (The deadline is the
//! reader's business, see [`transport`](super::transport).)

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

/// No engine sends a line of more than some hundred bytes.
const LINE_LIMIT: u64 = 8 * 1024;
/// No engine sends more than a dozen.
const HEADER_COUNT: usize = 64;
/// A thousand containers with many labels take some two megabytes.
const LIMIT: u64 = 32 * 1024 * 1024;

/// An answer: its status and all of its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The version of Podman's own API, if the engine names one: digits and dots.
    pub(super) podman: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum HttpError {
    /// The connection failed, or time ran out.
    Io(io::Error),
    /// What came is not HTTP, or goes past a limit.
    Nonsense(&'static str),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Nonsense(what) => f.write_str(what),
        }
    }
}

impl From<io::Error> for HttpError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Sends a request without a body and reads the answer. `path` is made by this crate alone: it holds no spaces and no
/// control characters.
pub(super) fn exchange<S: Read + Write>(
    stream: &mut S,
    method: &str,
    path: &str,
) -> Result<Response, HttpError> {
    let length = if method == "POST" {
        "Content-Length: 0\r\n"
    } else {
        ""
    };
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: kill_port\r\nAccept: application/json\r\n{length}\r\n"
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    read_response(stream)
}

/// Reads one answer.
pub(super) fn read_response<R: Read>(stream: &mut R) -> Result<Response, HttpError> {
    let mut input = BufReader::new(stream.take(LIMIT));
    let status = status(&line(&mut input)?).ok_or(HttpError::Nonsense("the answer is not HTTP"))?;
    let mut podman = None;
    for _ in 0..HEADER_COUNT {
        let line = line(&mut input)?;
        if line.is_empty() {
            let mut body = Vec::new();
            input.read_to_end(&mut body)?;
            if input.get_ref().limit() == 0 {
                return Err(HttpError::Nonsense("the answer is too long"));
            }
            return Ok(Response {
                status,
                body,
                podman,
            });
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(HttpError::Nonsense(
                "the answer has an encoding that was not asked for",
            ));
        }
        if name.eq_ignore_ascii_case("libpod-api-version") {
            podman = version(value.trim());
        }
    }
    Err(HttpError::Nonsense("the answer's headers are too many"))
}

/// A line of the head, without its end.
fn line<R: BufRead>(input: &mut R) -> Result<String, HttpError> {
    let mut bytes = Vec::new();
    input.take(LINE_LIMIT).read_until(b'\n', &mut bytes)?;
    let Some(line) = bytes.strip_suffix(b"\n") else {
        return Err(HttpError::Nonsense(
            "the answer's headers do not end, or are too long",
        ));
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// `HTTP/1.0 200 OK`
fn status(line: &str) -> Option<u16> {
    let (_, rest) = line.strip_prefix("HTTP/1.")?.split_once(' ')?;
    let status = rest.split(' ').next()?.parse().ok()?;
    (200..600).contains(&status).then_some(status)
}

/// It becomes part of a path.
fn version(text: &str) -> Option<String> {
    let is_version = (1..=20).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_version.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hands out its bytes in pieces of the given sizes, again and again.
    struct Pieces {
        bytes: Vec<u8>,
        sizes: Vec<usize>,
        turn: usize,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes[self.turn % self.sizes.len()].max(1);
            self.turn += 1;
            let count = size.min(buffer.len()).min(self.bytes.len());
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes.drain(..count);
            Ok(count)
        }
    }

    fn read(bytes: &[u8], sizes: &[usize]) -> Result<Response, HttpError> {
        read_response(&mut Pieces {
            bytes: bytes.to_vec(),
            sizes: sizes.to_vec(),
            turn: 0,
        })
    }

    #[test]
    fn the_status_and_podmans_version_are_read() {
        let answer = read(
            b"HTTP/1.0 200 OK\r\nlibpod-api-version:  4.3.1 \r\nServer: Libpod/4.3.1 (linux)\r\n\r\n[]\n",
            &[7],
        )
        .expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"[]\n"[..]));
        assert_eq!(answer.podman.as_deref(), Some("4.3.1"));
        let answer = read(
            b"HTTP/1.1 304 Not Modified\nLibpod-Api-Version: ../4\n\n",
            &[7],
        )
        .expect("an answer");
        assert_eq!((answer.status, answer.podman), (304, None));
    }

    #[test]
    fn what_is_not_http_or_goes_past_a_limit_is_refused() {
        for text in [
            "",
            "HTTP/1.0 200 OK",
            "HTTP/1.0 200 OK\r\nServer: Docker",
            "HTTP/1.0\r\n\r\n",
            "HTTP/1.0 20 OK\r\n\r\n",
            "HTTP/1.0 -200 OK\r\n\r\n",
            "HTTP/1.0 99999 OK\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
            &format!("HTTP/1.0 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HEADER_COUNT)),
        ] {
            assert!(
                matches!(read(text.as_bytes(), &[1000]), Err(HttpError::Nonsense(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn endless_headers_are_given_up() {
        let mut stream = b"HTTP/1.0 200 OK\r\nX: ".chain(io::repeat(b'a'));
        assert!(matches!(
            read_response(&mut stream),
            Err(HttpError::Nonsense(_))
        ));
    }

    #[test]
    fn an_endless_body_is_given_up() {
        let mut stream = b"HTTP/1.0 200 OK\r\n\r\n".chain(io::repeat(b'['));
        assert!(matches!(
            read_response(&mut stream),
            Err(HttpError::Nonsense(_))
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_give_an_answer_or_an_error(
            head in "(HTTP/1.[01] [0-9]{0,4})?[ -~\r\n]{0,60}",
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            sizes in proptest::collection::vec(1usize..50, 1..4),
        ) {
            let _ = read(&[head.as_bytes(), &bytes].concat(), &sizes);
        }

        #[test]
        fn a_body_arrives_whole_however_it_is_cut(
            body in proptest::collection::vec(any::<u8>(), 0..400),
            sizes in proptest::collection::vec(1usize..50, 1..4),
        ) {
            let bytes = [b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n", body.as_slice()].concat();
            prop_assert_eq!(&read(&bytes, &sizes).expect("an answer").body, &body);
        }
    }
}
