//! The command on real processes.

mod asking;
mod bind;
pub mod calls;
mod completion;
mod freeing;
mod generations;
mod hostile;
mod in_use;
mod inheriting;
mod json;
mod listing;
mod pasting;
mod permission;
mod picking;
mod pids;
mod pipes;
pub mod pty;
mod ranges;
mod scarcity;
mod screens;
mod snapshots;
mod supervisors;
mod terminal;
mod two_at_once;
mod why;
mod within;
