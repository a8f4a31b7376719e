//! Users, and which of them the caller is.

use kill_port::{Process, printable};

/// The user of a process, where it is not the caller.
pub fn foreign(process: &Process) -> Option<String> {
    if is_own(process.uid) {
        return None;
    }
    name(process.user.as_deref(), process.uid)
}

/// Whether it is known to be the caller.
pub fn is_own(uid: Option<u32>) -> bool {
    uid.is_some() && uid == own_uid()
}

/// A user by name, or by number where it has none.
pub fn name(name: Option<&str>, uid: Option<u32>) -> Option<String> {
    name.map(|name| printable(name).into_owned())
        .or_else(|| uid.map(|uid| uid.to_string()))
}

/// Whether the caller may do everything.
pub fn is_root() -> bool {
    own_uid() == Some(0)
}

#[cfg(unix)]
fn own_uid() -> Option<u32> {
    Some(nix::unistd::geteuid().as_raw())
}

#[cfg(not(unix))]
fn own_uid() -> Option<u32> {
    None
}
