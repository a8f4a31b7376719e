//! The command on real processes.

mod asking;
mod freeing;
mod hostile;
mod json;
mod listing;
mod permission;
mod pipes;
mod pty;
mod ranges;
mod scarcity;
mod snapshots;
mod terminal;
mod why;
