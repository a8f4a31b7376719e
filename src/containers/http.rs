//! As much HTTP/1.1 as it takes to ask a container engine a question.
//!
//! One request, one answer, then the connection ends. What comes back is hostile input: every length is limited, and
//! nothing in it can cause a panic or an endless wait. (The deadline is the reader's business, see
//! [`transport`](super::transport).)

use std::fmt;
use std::io::{self, Read, Write};

/// No engine sends more than some hundred bytes of headers.
const HEAD_LIMIT: usize = 64 * 1024;
/// A thousand containers with many labels take some two megabytes.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// No engine sends more than a dozen.
const HEADER_COUNT: usize = 64;
/// How much is read at once.
const PIECE: usize = 16 * 1024;

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
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kill_port\r\nAccept: application/json\r\n{length}Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    read_response(stream)
}

/// Reads one answer.
fn read_response<R: Read>(stream: &mut R) -> Result<Response, HttpError> {
    let mut input = Input {
        stream,
        buffer: Vec::new(),
        start: 0,
    };
    loop {
        let head = input.head()?;
        // An interim answer is followed by the real one.
        if (100..200).contains(&head.status) && head.status != 101 {
            continue;
        }
        let body = match head.length {
            // These have no body by definition.
            _ if matches!(head.status, 101 | 204 | 304) => Vec::new(),
            Length::Chunked => input.chunks()?,
            Length::Known(length) => input.exactly(length)?,
            Length::UntilEnd => input.until_end()?,
        };
        return Ok(Response {
            status: head.status,
            body,
            podman: head.podman,
        });
    }
}

struct Head {
    status: u16,
    podman: Option<String>,
    length: Length,
}

enum Length {
    Chunked,
    Known(usize),
    UntilEnd,
}

/// Bytes that arrived and were not used yet.
struct Input<'a, R> {
    stream: &'a mut R,
    buffer: Vec<u8>,
    start: usize,
}

impl<R: Read> Input<'_, R> {
    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
    }

    /// Waits for more bytes and returns how many came: 0 at the end.
    fn more(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let mut piece = [0; PIECE];
        let count = loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.buffer
            .extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn head(&mut self) -> Result<Head, HttpError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(self.unread());
            match parsed {
                Ok(httparse::Status::Complete(used)) => {
                    let status = response.code.unwrap_or_default();
                    let length = body_length(response.headers)?;
                    let podman = podman_version(response.headers);
                    self.consume(used);
                    return Ok(Head {
                        status,
                        podman,
                        length,
                    });
                }
                Ok(httparse::Status::Partial) => {}
                Err(_) => return Err(HttpError::Nonsense("the answer is not HTTP")),
            }
            if self.unread().len() > HEAD_LIMIT {
                return Err(HttpError::Nonsense("the answer's headers are too long"));
            }
            if self.more()? == 0 {
                return Err(HttpError::Nonsense(
                    "the answer ended before its headers did",
                ));
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, HttpError> {
        if length > BODY_LIMIT {
            return Err(HttpError::Nonsense("the answer is too long"));
        }
        while self.unread().len() < length {
            if self.more()? == 0 {
                return Err(HttpError::Nonsense("the answer ended too early"));
            }
        }
        let body = self.unread().get(..length).unwrap_or_default().to_vec();
        self.consume(length);
        Ok(body)
    }

    fn until_end(&mut self) -> Result<Vec<u8>, HttpError> {
        while self.more()? != 0 {
            if self.unread().len() > BODY_LIMIT {
                return Err(HttpError::Nonsense("the answer is too long"));
            }
        }
        Ok(self.unread().to_vec())
    }

    fn chunks(&mut self) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        loop {
            let size = self.chunk_size()?;
            if size == 0 {
                // What follows the last chunk says nothing that matters here.
                return Ok(body);
            }
            if size.saturating_add(body.len()) > BODY_LIMIT {
                return Err(HttpError::Nonsense("the answer is too long"));
            }
            body.extend(self.exactly(size)?);
            if self.exactly(2)? != b"\r\n" {
                return Err(HttpError::Nonsense(
                    "the answer's chunks do not fit their sizes",
                ));
            }
        }
    }

    fn chunk_size(&mut self) -> Result<usize, HttpError> {
        loop {
            match httparse::parse_chunk_size(self.unread()) {
                Ok(httparse::Status::Complete((used, size))) => {
                    self.consume(used);
                    return usize::try_from(size)
                        .map_err(|_| HttpError::Nonsense("the answer is too long"));
                }
                Ok(httparse::Status::Partial) => {}
                Err(_) => return Err(HttpError::Nonsense("the answer's chunks have no sizes")),
            }
            if self.unread().len() > HEAD_LIMIT {
                return Err(HttpError::Nonsense("the answer's chunks have no sizes"));
            }
            if self.more()? == 0 {
                return Err(HttpError::Nonsense("the answer ended too early"));
            }
        }
    }
}

fn podman_version(headers: &[httparse::Header<'_>]) -> Option<String> {
    let header = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("libpod-api-version"))?;
    let version = std::str::from_utf8(header.value).ok()?.trim();
    // It becomes part of a path.
    let is_version = (1..=20).contains(&version.len())
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_version.then(|| version.to_owned())
}

fn body_length(headers: &[httparse::Header<'_>]) -> Result<Length, HttpError> {
    let find = |name: &str| {
        headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
    };
    if let Some(header) = find("transfer-encoding") {
        let value = header.value.trim_ascii();
        return if value.eq_ignore_ascii_case(b"chunked") {
            Ok(Length::Chunked)
        } else if value.eq_ignore_ascii_case(b"identity") {
            Ok(Length::UntilEnd)
        } else {
            Err(HttpError::Nonsense("the answer has an unknown encoding"))
        };
    }
    match find("content-length") {
        None => Ok(Length::UntilEnd),
        Some(header) => std::str::from_utf8(header.value)
            .ok()
            .and_then(|value| value.trim().parse().ok())
            .map(Length::Known)
            .ok_or(HttpError::Nonsense("the answer's length is not a number")),
    }
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

    fn chunked(body: &[u8], chunk: usize) -> Vec<u8> {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in body.chunks(chunk) {
            bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            bytes.extend(piece);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    #[test]
    fn answers_without_a_body_end_with_their_headers() {
        let answer =
            read(b"HTTP/1.1 204 No Content\r\nServer: Docker\r\n\r\n", &[7]).expect("an answer");
        assert_eq!(answer.status, 204);
        assert!(answer.body.is_empty());
    }

    #[test]
    fn an_interim_answer_is_passed_over() {
        let answer = read(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
            &[3],
        );
        assert_eq!(answer.expect("an answer").status, 404);
    }

    #[test]
    fn an_answer_that_is_cut_off_is_an_error() {
        let whole = chunked(b"[{\"Id\":\"0123\"}]", 4);
        // Nothing is missed when only the blank line after the last chunk is missing.
        for length in 0..whole.len() - 2 {
            assert!(
                matches!(read(&whole[..length], &[1000]), Err(HttpError::Nonsense(_))),
                "{length}"
            );
        }
    }

    #[test]
    fn lengths_past_the_limit_are_refused_before_anything_is_kept() {
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3000000\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        ] {
            assert!(
                matches!(read(head.as_bytes(), &[1000]), Err(HttpError::Nonsense(_))),
                "{head}"
            );
        }
    }

    #[test]
    fn endless_headers_are_given_up() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'a');
                Ok(buffer.len())
            }
        }
        let mut stream = b"HTTP/1.1 200 OK\r\nX: ".chain(Endless);
        assert!(matches!(
            read_response(&mut stream),
            Err(HttpError::Nonsense(_))
        ));
    }

    #[test]
    fn an_endless_body_is_given_up() {
        let mut stream = b"HTTP/1.1 200 OK\r\n\r\n".chain(io::repeat(b'['));
        assert!(matches!(
            read_response(&mut stream),
            Err(HttpError::Nonsense(_))
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_give_an_answer_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            sizes in proptest::collection::vec(1usize..50, 1..4),
        ) {
            let _ = read(&bytes, &sizes);
        }

        #[test]
        fn damaged_answers_give_an_answer_or_an_error(
            body in proptest::collection::vec(any::<u8>(), 0..100),
            chunk in 1usize..30,
            place in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
            sizes in proptest::collection::vec(1usize..50, 1..4),
        ) {
            let mut bytes = chunked(&body, chunk);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = read(&bytes, &sizes);
        }

        #[test]
        fn a_body_arrives_whole_however_it_is_cut(
            body in proptest::collection::vec(any::<u8>(), 0..400),
            chunk in 1usize..60,
            sizes in proptest::collection::vec(1usize..50, 1..4),
        ) {
            let mut known = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            known.extend(&body);
            let mut open = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
            open.extend(&body);
            for bytes in [chunked(&body, chunk), known, open] {
                prop_assert_eq!(&read(&bytes, &sizes).expect("an answer").body, &body);
            }
        }
    }
}
