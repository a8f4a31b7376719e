//! What the command got from whoever started it, and has no use for.
//!
//! A shell that started a server may hand its listening socket on to every later child. With it open, the command would hold the
//! port itself, and spare itself.

/// Closes every inherited descriptor but the three standard ones. To be called first in `main`: nothing else is open then.
#[cfg(unix)]
pub fn close() {
    if are_standard_alone() {
        return;
    }
    for descriptor in open() {
        // It may have been the list's own.
        let _ = nix::unistd::close(descriptor);
    }
}

/// On Windows an inherited socket still counts as its maker's, so that it spares nobody here.
#[cfg(not(unix))]
pub fn close() {}

/// Whether nothing was inherited but the three standard ones, which are open in every `main`: Linux tells how many there are as the
/// folder's size, since 6.2, and before that a size of 0.
#[cfg(unix)]
fn are_standard_alone() -> bool {
    cfg!(target_os = "linux")
        && std::fs::metadata(LISTED).is_ok_and(|folder| folder.len() == STANDARD)
}

#[cfg(unix)]
const LISTED: &str = if cfg!(target_os = "linux") {
    "/proc/self/fd"
} else {
    "/dev/fd"
};

#[cfg(unix)]
const FIRST: i32 = 3;

/// How many the standard ones are.
#[cfg(unix)]
const STANDARD: u64 = 3;

#[cfg(unix)]
fn open() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir(LISTED) else {
        return all();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let listed: Vec<i32> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    // The BSDs list the three standard ones alone, unless a file system for them is mounted.
    if listed.iter().all(|descriptor| *descriptor < FIRST) {
        return all();
    }
    let inherited = |descriptor: &i32| *descriptor >= FIRST;
    listed.into_iter().filter(inherited).collect()
}

/// As many as a process may have by default, where nothing lists them.
#[cfg(unix)]
fn all() -> Vec<i32> {
    (FIRST..1024).collect()
}
