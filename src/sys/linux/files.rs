//! Files of `/proc`, which have no size that could be asked for.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, read, retry_on_intr};

/// Most files of a process are shorter than this, and then take one call. Asking for the size first and growing from a small buffer, as the
/// standard library does, takes seven.
const USUAL: usize = 4096;

/// Opens one for reading.
pub(super) fn open_at(directory: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    retry_on_intr(|| openat(&directory, path, flags, Mode::empty()))
}

/// The whole content. An error may say that the process [is not there](is_gone), that it is another user's, or nothing about it at all.
pub(super) fn content(file: impl AsFd) -> Result<Vec<u8>, Errno> {
    beginning(file, usize::MAX)
}

/// The same, of which somebody else decides how long it is: no more than about so many bytes.
pub(super) fn beginning(file: impl AsFd, most: usize) -> Result<Vec<u8>, Errno> {
    let mut room = [MaybeUninit::uninit(); USUAL];
    let mut content = Vec::new();
    while content.len() < most {
        match read(&file, &mut room[..]) {
            Ok((part, rest)) => {
                content.extend_from_slice(part);
                // What the kernel writes in one go (`stat`, `status`, `sockstat`) ends with a line, and where there was room for more, nothing
                // more comes. A read that was cut short ends elsewhere.
                let is_whole = !rest.is_empty() && part.ends_with(b"\n");
                if part.is_empty() || is_whole {
                    return Ok(content);
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(content)
}

/// The same for a small file of this path.
pub(super) fn content_of(path: &str) -> Option<Vec<u8>> {
    content(open_at(CWD, path).ok()?).ok()
}

/// Whether this says that a process, or what was asked for of it, is not there any more. All else is no news of it: the caller's descriptors or
/// the system's memory may be used up.
pub(super) fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_length_comes_whole() {
        for name in ["/proc/self/stat", "/proc/self/maps", "/proc/self/environ"] {
            let file = std::fs::File::open(name).unwrap();
            let content = content(&file).unwrap();
            assert!(!content.is_empty() || name.ends_with("environ"), "{name}");
        }
        let long = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let size = long.metadata().unwrap().len();
        assert_eq!(content(&long).unwrap().len() as u64, size);
    }
}
