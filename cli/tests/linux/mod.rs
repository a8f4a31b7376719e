//! The command on real processes.

mod freeing;
mod hostile;
mod permission;
mod pipes;
mod pty;
mod ranges;
mod terminal;
