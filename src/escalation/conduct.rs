//! What each process was sent, whatever number of targets it holds, and whether it has ended.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use crate::discovery::Id;
use crate::signal::Signal;
use crate::sys::Mark;

/// What one process was sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    /// In order.
    pub signals: Vec<Signal>,
    pub first: Option<Instant>,
    /// When it was sent SIGKILL.
    pub killed: Option<Instant>,
    /// How many processes were told before this one: many are told at one and the same instant.
    pub turn: Option<usize>,
    pub ended: Option<Instant>,
    /// Whether the system refused a signal to it.
    pub denied: bool,
}

/// What everybody was sent.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    sent: BTreeMap<Id, Sent>,
    told: usize,
    /// When the first of all signals was sent, for the system's clock and for the order of PIDs: whatever is started from then on may take
    /// somebody's place.
    pub since: Option<(SystemTime, Mark)>,
    nothing: Sent,
}

impl Conduct {
    pub(super) fn of(&self, id: Id) -> &Sent {
        self.sent.get(&id).unwrap_or(&self.nothing)
    }

    pub(super) fn was_told(&self, id: Id) -> bool {
        !self.of(id).signals.is_empty()
    }

    /// Whether it has been told to end and is still there.
    pub(super) fn is_pending(&self, id: Id) -> bool {
        let sent = self.of(id);
        !sent.signals.is_empty() && sent.ended.is_none()
    }

    /// Whether this signal would be news to it: each is sent once, and after the first only SIGKILL.
    pub(super) fn is_new(&self, id: Id, signal: Signal) -> bool {
        let sent = self.of(id);
        sent.ended.is_none()
            && !sent.signals.contains(&signal)
            && (signal == Signal::Kill || sent.signals.is_empty())
    }

    /// Everybody who was told and is still there.
    pub(super) fn pending(&self) -> impl Iterator<Item = Id> + '_ {
        let ids = self.sent.keys().copied();
        ids.filter(|&id| self.is_pending(id))
    }

    pub(super) fn note_sent(&mut self, id: Id, signal: Signal, now: Instant) {
        let sent = self.sent.entry(id).or_default();
        sent.signals.push(signal);
        if signal == Signal::Kill {
            sent.killed.get_or_insert(now);
        }
        if sent.first.is_none() {
            sent.first = Some(now);
            sent.turn = Some(self.told);
            self.told += 1;
        }
    }

    pub(super) fn note_end(&mut self, id: Id, now: Instant) {
        self.sent.entry(id).or_default().ended = Some(now);
    }

    pub(super) fn note_denial(&mut self, id: Id) {
        self.sent.entry(id).or_default().denied = true;
    }
}
