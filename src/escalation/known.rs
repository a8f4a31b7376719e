//! The processes that are being dealt with: looked at once, told each thing once, whatever number of targets they hold.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Instant;

use crate::filter::Rules;
use crate::forwarder::forwarder;
use crate::holder::{Identity, Process};
use crate::outcome::SparedReason;
use crate::signal::Signal;
use crate::sys::{Delivery, Handle};

/// A process that was seen, with everything that is decided by it.
pub(super) struct Known {
    pub handle: Handle,
    /// As it was when it was first seen: nothing can be read once it is gone.
    pub process: Process,
    pub is_kernel: bool,
    /// PID 1, or a user's own service manager.
    pub is_init: bool,
    pub is_forwarder: bool,
    /// The systemd unit it belongs to, if PID 1 is what would start it again.
    pub unit: Option<String>,
    pub lineage: Lineage,
    /// What it was sent, in order.
    pub sent: Vec<Signal>,
    pub first_sent: Option<Instant>,
    /// How many processes were told before this one: many are told at one and the same instant.
    pub turn: usize,
    pub exited: Option<Instant>,
    pub denied: bool,
}

/// Where a process comes from.
#[derive(Clone, Default)]
pub(super) struct Lineage {
    /// Its ancestors, nearest first, up to the first that can't be a supervisor to end: PID 1, a service manager, the caller or one of its
    /// ancestors, an interactive shell.
    pub ancestors: Vec<Rc<Handle>>,
    /// That one, and why.
    pub end: Option<(Rc<Handle>, Option<SparedReason>)>,
    /// The parent's PID where the parent can't be seen though it lives (`hidepid`).
    pub unseen_parent: Option<u32>,
}

impl Lineage {
    /// The parent, whatever it is.
    pub(super) fn parent(&self) -> Option<&Rc<Handle>> {
        self.ancestors
            .first()
            .or(self.end.as_ref().map(|(handle, _)| handle))
    }
}

impl Known {
    /// Whether it has been told to end and is still there.
    pub(super) fn is_pending(&self) -> bool {
        !self.sent.is_empty() && self.exited.is_none()
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Registry {
    known: BTreeMap<Identity, Known>,
    /// How many have been told.
    told: usize,
    /// Ancestors by PID, each opened once.
    ancestors: HashMap<u32, Rc<Handle>>,
    /// Lineages by the parent's PID, for the length of one look.
    lineages: HashMap<u32, Lineage>,
}

impl Registry {
    pub(super) fn get(&self, identity: Identity) -> Option<&Known> {
        self.known.get(&identity)
    }

    /// Adds a process, unless it is known already.
    pub(super) fn add(&mut self, handle: Handle, rules: &Rules) -> Identity {
        let identity = handle.identity();
        if !self.known.contains_key(&identity) {
            let process = handle.describe();
            let lineage = self.lineage(&handle, process.parent_pid, rules);
            let from_init = lineage.parent().is_some_and(|parent| parent.is_init());
            let unit = if from_init { handle.unit() } else { None };
            let known = Known {
                is_kernel: handle.is_kernel(),
                is_init: handle.is_init(),
                is_forwarder: forwarder(&process).is_some(),
                unit,
                lineage,
                sent: Vec::new(),
                first_sent: None,
                turn: usize::MAX,
                exited: None,
                denied: !handle.may_signal(),
                process,
                handle,
            };
            self.known.insert(identity, known);
        }
        identity
    }

    /// Forgets who descends from whom: processes find new parents when theirs end.
    pub(super) fn begin_look(&mut self) {
        self.lineages.clear();
    }

    /// Where a process comes from. The children of one parent, such as a thousand workers, are looked into once.
    fn lineage(&mut self, of: &Handle, parent: Option<u32>, rules: &Rules) -> Lineage {
        if let Some(known) = parent.and_then(|pid| self.lineages.get(&pid)) {
            return known.clone();
        }
        let lineage = self.climb(of, parent, rules);
        if let (Some(pid), None) = (parent, lineage.unseen_parent) {
            self.lineages.insert(pid, lineage.clone());
        }
        lineage
    }

    fn climb(&mut self, of: &Handle, mut parent: Option<u32>, rules: &Rules) -> Lineage {
        let mut lineage = Lineage::default();
        while let Some(pid) = parent.filter(|&pid| pid != 0) {
            // Every lineage is finite, but the process table changes while it is read.
            if lineage.ancestors.len() >= 64 {
                break;
            }
            let Some(handle) = self.ancestor(pid) else {
                if lineage.ancestors.is_empty() && of.parent() == Some(pid) {
                    lineage.unseen_parent = Some(pid);
                }
                break;
            };
            let reason = if handle.is_init() {
                Some(SparedReason::Init)
            } else if pid == rules.caller {
                Some(SparedReason::Caller)
            } else if rules.ancestors.contains(&pid) {
                Some(SparedReason::Ancestor)
            } else {
                None
            };
            if reason.is_some() || handle.is_interactive_shell() {
                lineage.end = Some((handle, reason));
                break;
            }
            parent = handle.parent();
            lineage.ancestors.push(handle);
        }
        lineage
    }

    fn ancestor(&mut self, pid: u32) -> Option<Rc<Handle>> {
        if let Some(handle) = self.ancestors.get(&pid)
            && !handle.has_exited()
        {
            return Some(Rc::clone(handle));
        }
        let handle = Rc::new(Handle::open(pid).ok().flatten()?);
        self.ancestors.insert(pid, Rc::clone(&handle));
        Some(handle)
    }

    /// Sends a signal, once. `true` if the process got it now.
    pub(super) fn tell(
        &mut self,
        identity: Identity,
        signal: Signal,
        now: Instant,
    ) -> std::io::Result<bool> {
        let Some(known) = self.known.get_mut(&identity) else {
            return Ok(false);
        };
        if known.exited.is_some() || known.sent.contains(&signal) {
            return Ok(false);
        }
        match known.handle.signal(signal)? {
            Delivery::Sent => {
                known.sent.push(signal);
                if known.first_sent.is_none() {
                    known.first_sent = Some(now);
                    known.turn = self.told;
                    self.told += 1;
                }
                if signal != Signal::Kill {
                    known.handle.wake();
                }
                Ok(true)
            }
            Delivery::Gone => {
                known.exited = Some(now);
                Ok(false)
            }
            Delivery::NotPermitted => {
                known.denied = true;
                Ok(false)
            }
        }
    }

    /// Notes which of those that were told have exited since the last look, and returns them.
    pub(super) fn note_exits(&mut self, now: Instant) -> Vec<Identity> {
        let mut exits = Vec::new();
        for (&identity, known) in &mut self.known {
            if known.is_pending() && known.handle.has_exited() {
                known.exited = Some(now);
                exits.push(identity);
            }
        }
        exits
    }
}
