//! Netlink as far as a dump needs it: one request out, its answer back, message by message.
//!
//! See `netlink(7)`. Numbers in headers are in native byte order, messages and attributes are aligned to four bytes.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;

/// The kernel puts up to 32 KiB into one datagram of a dump, if the reader has room for it.
const BUFFER: usize = 32 * 1024;

/// The kernel answers a dump while it is asked, so an answer that has not come by now never will.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a dump has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DumpError {
    /// The kernel's own answer, be it instead of the rows or at their end.
    Kernel(Errno),
    /// The answer could not be received, or made no sense. The socket may hold leftovers of it: open another one.
    Broken,
    /// No answer came.
    Silent,
    /// The table changed while it was dumped, so rows may be missing. Ask again.
    Interrupted,
}

/// A netlink socket for `NETLINK_SOCK_DIAG`, with its buffers.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Netlink {
    /// Opens the socket. It belongs to the network namespace of the calling thread for good.
    pub(super) fn open() -> Result<Self, Errno> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self {
            socket,
            sequence: 0,
            request: Vec::new(),
            answer: vec![0; BUFFER],
        })
    }

    /// Sends one dump request and hands every message of its answer to `each`, without its header.
    ///
    /// Messages may already have been handed over when an error comes.
    pub(super) fn dump(
        &mut self,
        kind: u16,
        payload: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<Parts, DumpError> {
        self.send(kind, payload)?;
        let mut answer = Answer::to(self.sequence);
        loop {
            // With TRUNC the length is that of the whole datagram, so that a cut one is noticed.
            let (_, length) =
                retry_on_intr(|| recv(&self.socket, &mut self.answer[..], RecvFlags::TRUNC))
                    .map_err(|errno| match errno {
                        Errno::AGAIN => DumpError::Silent,
                        _ => DumpError::Broken,
                    })?;
            let datagram = self.answer.get(..length).ok_or(DumpError::Broken)?;
            if let Some(parts) = answer.take(datagram, &mut each)? {
                return Ok(parts);
            }
        }
    }
}

/// How much of the answer to one request has come.
pub(super) struct Answer {
    sequence: u32,
    interrupted: bool,
    parts: usize,
}

impl Answer {
    /// Nothing yet of the answer to the request of this number.
    pub(super) fn to(sequence: u32) -> Self {
        Self {
            sequence,
            interrupted: false,
            parts: 0,
        }
    }

    /// Takes in a datagram, whose rows go to `each`. `None` until the end has come.
    pub(super) fn take(
        &mut self,
        datagram: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<Option<Parts>, DumpError> {
        if datagram.is_empty() {
            return Err(DumpError::Broken);
        }
        let mut has_rows = false;
        for message in Messages(datagram) {
            let message = message.ok_or(DumpError::Broken)?;
            if message.sequence != self.sequence {
                continue;
            }
            self.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
            match message.kind {
                NLMSG_DONE | NLMSG_ERROR => {
                    return match status(message.payload).ok_or(DumpError::Broken)? {
                        0 if self.interrupted => Err(DumpError::Interrupted),
                        0 if self.parts + usize::from(has_rows) > 1 => Ok(Some(Parts::Several)),
                        0 => Ok(Some(Parts::One)),
                        errno => Err(DumpError::Kernel(Errno::from_raw_os_error(errno))),
                    };
                }
                // NLMSG_NOOP, NLMSG_OVERRUN and the other control messages carry no row.
                0..=15 => {}
                _ => {
                    has_rows = true;
                    each(message.payload);
                }
            }
        }
        self.parts += usize::from(has_rows);
        Ok(None)
    }
}

/// In how many parts the rows of a dump came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// The kernel walked through the table in one go, or had nothing to tell.
    One,
    /// It went on by position within a bucket, so rows can have been skipped while others came and went.
    Several,
}

impl Netlink {
    fn send(&mut self, kind: u16, payload: &[u8]) -> Result<(), DumpError> {
        self.sequence = self.sequence.wrapping_add(1);
        write_request(&mut self.request, kind, self.sequence, payload);
        match retry_on_intr(|| send(&self.socket, &self.request, SendFlags::NOSIGNAL)) {
            Ok(_) => Ok(()),
            // A filter or a security module says no, and will again.
            Err(errno @ (Errno::PERM | Errno::ACCESS)) => Err(DumpError::Kernel(errno)),
            Err(_) => Err(DumpError::Broken),
        }
    }
}

fn write_request(into: &mut Vec<u8>, kind: u16, sequence: u32, payload: &[u8]) {
    // A request is a few dozen bytes long, so its length always fits.
    let length = u32::try_from(HEADER + payload.len()).unwrap_or(u32::MAX);
    into.clear();
    into.extend_from_slice(&length.to_ne_bytes());
    into.extend_from_slice(&kind.to_ne_bytes());
    into.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    into.extend_from_slice(&sequence.to_ne_bytes());
    into.extend_from_slice(&0_u32.to_ne_bytes());
    into.extend_from_slice(payload);
}

/// The error number at the start of `NLMSG_DONE` and `NLMSG_ERROR`, which the kernel writes negative; 0 is success.
fn status(payload: &[u8]) -> Option<i32> {
    let number = i32::from_ne_bytes(*payload.first_chunk()?);
    // An error number is between 1 and 4095. A dump's positive result is a length, which is a success.
    match number {
        -4095..=-1 => Some(-number),
        0.. => Some(0),
        _ => None,
    }
}

/// A netlink message.
#[derive(Debug, Clone, Copy)]
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

/// The messages of a datagram; `None` once, and then the end, where it makes no sense.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Option<Message<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = read_message(self.0);
        self.0 = match &message {
            Some((_, rest)) => rest,
            None => &[],
        };
        Some(message.map(|(message, _)| message))
    }
}

fn read_message(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(read_u32(bytes, 0)?).ok()?;
    let payload = bytes.get(HEADER..length)?;
    let message = Message {
        kind: read_u16(bytes, 4)?,
        flags: read_u16(bytes, 6)?,
        sequence: read_u32(bytes, 8)?,
        payload,
    };
    Some((message, after(bytes, length)))
}

/// The attributes that follow a message's fixed part, as type and value. Ends at the first one that makes no sense.
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(read_u16(self.0, 0)?);
        let kind = read_u16(self.0, 2)?;
        let value = self.0.get(4..length)?;
        self.0 = after(self.0, length);
        Some((kind, value))
    }
}

/// What follows the first `length` bytes and the padding after them. The last one may go without padding.
fn after(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length.next_multiple_of(4)..).unwrap_or_default()
}

/// A number in native byte order.
pub(super) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number in native byte order.
pub(super) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
pub(super) mod false_kernel {
    //! The other end of a socket that only looks like netlink.

    use super::*;

    pub(in super::super) struct FalseKernel(OwnedFd);

    impl Netlink {
        /// A socket whose answers the test writes.
        pub(in super::super) fn with_a_false_kernel() -> (Self, FalseKernel) {
            let (socket, kernel) = rustix::net::socketpair(
                AddressFamily::UNIX,
                SocketType::SEQPACKET,
                SocketFlags::CLOEXEC,
                None,
            )
            .unwrap();
            set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_millis(20))).unwrap();
            let netlink = Self {
                socket,
                sequence: 0,
                request: Vec::new(),
                answer: vec![0; BUFFER],
            };
            (netlink, FalseKernel(kernel))
        }

        /// Sends a request of which nobody reads the answer.
        pub(in super::super) fn send_without_reading(&mut self, kind: u16, payload: &[u8]) {
            self.send(kind, payload).unwrap();
        }
    }

    impl FalseKernel {
        /// Ends the answer to the request with this number.
        pub(in super::super) fn end(&self, sequence: u32, errno: i32) {
            self.write(&message(NLMSG_DONE, 0, sequence, &(-errno).to_ne_bytes()));
        }

        pub(in super::super) fn write(&self, datagram: &[u8]) {
            send(&self.0, datagram, SendFlags::empty()).unwrap();
        }
    }

    /// A message with its padding.
    pub(in super::super) fn message(
        kind: u16,
        flags: u16,
        sequence: u32,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_request(&mut bytes, kind, sequence, payload);
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::false_kernel::message;
    use super::*;

    const ROW: u16 = 20;

    fn dump(netlink: &mut Netlink) -> (Result<(), DumpError>, Vec<Vec<u8>>) {
        let mut rows = Vec::new();
        let result = netlink.dump(ROW, b"", |row| rows.push(row.to_vec()));
        (result.map(drop), rows)
    }

    #[test]
    fn an_answer_in_several_parts_is_read_to_its_end() {
        let (mut netlink, kernel) = Netlink::with_a_false_kernel();
        let mut part = message(ROW, 2, 1, b"one ");
        part.extend(message(ROW, 2, 1, b"two ."));
        kernel.write(&part);
        kernel.write(&message(ROW, 2, 1, b"three"));
        kernel.end(1, 0);
        let rows = [&b"one "[..], b"two .", b"three"].map(<[u8]>::to_vec);
        assert_eq!(dump(&mut netlink), (Ok(()), rows.to_vec()));
    }

    #[test]
    fn an_error_inside_the_end_of_a_dump_is_an_error() {
        let (mut netlink, kernel) = Netlink::with_a_false_kernel();
        kernel.end(1, Errno::NOENT.raw_os_error());
        assert_eq!(
            dump(&mut netlink),
            (Err(DumpError::Kernel(Errno::NOENT)), vec![])
        );
        let refusal = (-Errno::PERM.raw_os_error()).to_ne_bytes();
        kernel.write(&message(NLMSG_ERROR, 0, 2, &refusal));
        assert_eq!(
            dump(&mut netlink),
            (Err(DumpError::Kernel(Errno::PERM)), vec![])
        );
    }

    #[test]
    fn what_belongs_to_an_earlier_request_is_passed_over() {
        let (mut netlink, kernel) = Netlink::with_a_false_kernel();
        kernel.write(&message(ROW, 2, 0, b"late"));
        kernel.end(0, 0);
        kernel.write(&message(ROW, 2, 1, b"mine"));
        kernel.end(1, 0);
        assert_eq!(dump(&mut netlink), (Ok(()), vec![b"mine".to_vec()]));
    }

    #[test]
    fn a_table_that_changed_while_it_was_read_is_reported() {
        let (mut netlink, kernel) = Netlink::with_a_false_kernel();
        kernel.write(&message(ROW, NLM_F_DUMP_INTR, 1, b"half"));
        kernel.end(1, 0);
        assert_eq!(dump(&mut netlink).0, Err(DumpError::Interrupted));
    }

    #[test]
    fn silence_ends_the_dump() {
        let (mut netlink, _kernel) = Netlink::with_a_false_kernel();
        assert_eq!(dump(&mut netlink), (Err(DumpError::Silent), vec![]));
    }

    #[test]
    fn answers_that_make_no_sense_end_the_dump() {
        let too_long = message(ROW, 2, 1, &[0; BUFFER]);
        let no_number = message(NLMSG_DONE, 0, 1, b"");
        for nonsense in [&b"x"[..], &[0; 16], &too_long, &no_number] {
            let (mut netlink, kernel) = Netlink::with_a_false_kernel();
            kernel.write(nonsense);
            assert_eq!(dump(&mut netlink), (Err(DumpError::Broken), vec![]));
        }
        let (mut netlink, kernel) = Netlink::with_a_false_kernel();
        drop(kernel);
        assert_eq!(dump(&mut netlink), (Err(DumpError::Broken), vec![]));
    }

    #[test]
    fn the_status_of_an_answer_is_read() {
        assert_eq!(status(&(-2_i32).to_ne_bytes()), Some(2));
        assert_eq!(status(&0_i32.to_ne_bytes()), Some(0));
        assert_eq!(status(&i32::MIN.to_ne_bytes()), None);
        assert_eq!(status(&[0, 0]), None);
    }

    #[test]
    fn a_message_that_is_longer_than_its_datagram_is_refused() {
        let whole = message(ROW, 0, 1, b"abcdefgh");
        for length in 1..whole.len() {
            let read: Vec<_> = Messages(&whole[..length]).collect();
            assert!(read.len() == 1 && read[0].is_none(), "cut to {length}");
        }
    }

    #[test]
    fn a_message_that_claims_to_be_shorter_than_its_header_is_refused() {
        for claimed in 0..16_u32 {
            let mut bytes = message(ROW, 0, 1, b"abcd");
            bytes[..4].copy_from_slice(&claimed.to_ne_bytes());
            assert!(matches!(Messages(&bytes).next(), Some(None)));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_to_an_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..300)
        ) {
            // Each message takes at least its header and each attribute at least four bytes: neither can go on for ever.
            prop_assert!(Messages(&bytes).count() <= bytes.len() / HEADER + 1);
            prop_assert!(Attributes(&bytes).count() <= bytes.len() / 4 + 1);
            status(&bytes);
        }

        #[test]
        fn messages_come_out_as_they_were_put_in(
            wanted in proptest::collection::vec(
                (16_u16.., proptest::collection::vec(any::<u8>(), 0..50)),
                0..6,
            )
        ) {
            let datagram: Vec<u8> = wanted.iter().flat_map(|(kind, payload)| message(*kind, 0, 1, payload)).collect();
            let read: Vec<(u16, Vec<u8>)> = Messages(&datagram)
                .map(|message| message.map(|message| (message.kind, message.payload.to_vec())))
                .collect::<Option<_>>()
                .expect("all of them are whole");
            prop_assert_eq!(read, wanted);
        }
    }
}
