//! Is it free? Its sockets are gone, it can be bound, and nothing starts again what was ended.
//!
//! All of it is a function of what was seen.

use std::time::Duration;

use crate::discovery::{Newcomer, Sight};
use crate::process::Process;

/// How long a process whose port is free may take to be gone, before it counts as one that lives on.
const EXIT_LINGER: Duration = Duration::from_millis(20);
/// The same for one that is known to be on its way out.
const EXITING_LINGER: Duration = Duration::from_secs(1);
/// How long a process that a supervisor has just started is given to take the port, and one that it may start again to end.
const STARTUP: Duration = Duration::from_secs(2);

/// Whether what was seen proves that the target is free: everything was asked for, nothing was found, and the kernel let it be bound.
pub(crate) fn proves_free(sight: &Sight) -> bool {
    sight.whole && sight.sockets.is_empty() && sight.refusals.as_ref().is_some_and(Vec::is_empty)
}

/// How things stand after the sockets of a target are gone.
#[derive(Debug)]
pub(crate) struct Aftermath<'a> {
    /// How long they have been gone.
    pub free_for: Duration,
    /// How long they have been gone and nobody who was told to end has ended.
    pub quiet_for: Duration,
    /// How long they have to be, where the next server may be started.
    pub settle: Duration,
    /// Whether somebody lives who holds nothing and has to end all the same.
    pub is_awaiting_exit: bool,
    /// Whether somebody who was told to end lives on.
    pub is_living: bool,
    /// Whether one of these is on its way out.
    pub is_exiting: bool,
    /// Whether somebody who may start an ended holder again lives, or can't be seen; or one has come back, or a shell has gone on.
    pub is_supervised: bool,
    /// The same of a holder that gave up the port and lives on: it is started again when it has ended.
    pub is_followed: bool,
    /// Who was started since and may take the place of an ended holder; `None` until it was looked for.
    pub newcomers: Option<&'a [Newcomer]>,
}

/// What a free target still needs before it is called free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Time.
    Time,
    /// A look at who was started since.
    Newcomers,
    /// The last look, which asks for everything.
    Proof,
}

impl Aftermath<'_> {
    pub(crate) fn needs(&self) -> Need {
        let patience = self.settle.saturating_add(STARTUP);
        let settles = |since: Duration| !self.settle.is_zero() && since < self.settle;
        let is_settling = settles(self.free_for)
            || (settles(self.quiet_for) && self.free_for < patience.saturating_add(self.settle));
        let is_ending = self.is_living
            && (self.free_for < EXIT_LINGER || (self.is_exiting && self.free_for < EXITING_LINGER));
        // One that gave up the port and lives may take it again, just as a supervisor may give it to another.
        let may_return = (is_settling && self.is_supervised)
            || (settles(self.free_for) && self.is_living)
            || (!self.settle.is_zero() && self.is_followed && self.free_for < patience);
        if self.is_awaiting_exit || is_ending || may_return {
            return Need::Time;
        }
        let Some(newcomers) = self.newcomers else {
            return if self.settle.is_zero() {
                Need::Proof
            } else {
                Need::Newcomers
            };
        };
        let is_awaited = |newcomer: &Newcomer| {
            is_settling
                || (newcomer.is_supervised
                    && self.quiet_for < patience
                    && self.free_for < patience.saturating_mul(2))
        };
        if newcomers.iter().any(is_awaited) {
            return Need::Time;
        }
        Need::Proof
    }
}

/// Whether a process that was started since may take the place of an ended holder: it runs the same program, or is a
/// shell that was given the same command line. A script that just goes on to its next command starts something else.
pub(crate) fn is_in_place_of(newcomer: &Process, ended: &Process) -> bool {
    let line = |process: &Process| {
        let words: Vec<_> = process
            .command
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        words.join(" ")
    };
    let same_program = newcomer.executable.is_some() && newcomer.executable == ended.executable;
    same_program || {
        let wanted = line(ended);
        !wanted.is_empty() && line(newcomer).contains(&wanted)
    }
}
