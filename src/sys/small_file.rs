//! Reading a file that somebody else may have put there.

use std::io::Read as _;
use std::path::Path;

/// The first `most` bytes of an ordinary file. A pipe that nobody writes to keeps nobody waiting: it is no ordinary file.
pub(crate) fn read_small_file(path: &Path, most: u64) -> Option<Vec<u8>> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    // It may have become a pipe since it was looked at.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NONBLOCK | libc::O_NOCTTY,
    );
    let file = options.open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
