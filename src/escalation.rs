//! The loop: look, filter, signal, verify.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::Error;
use crate::event::Event;
use crate::options::KillOptions;
use crate::outcome::{Freed, Plan};
use crate::target::Target;

type Callback<'a> = &'a mut dyn FnMut(&Event<'_>) -> ControlFlow<()>;

pub(crate) fn run(
    _options: &KillOptions,
    _targets: &[Target],
    _callback: Callback<'_>,
) -> Vec<(Target, Result<Freed, Error>)> {
    todo!()
}

pub(crate) fn plan(
    _options: &KillOptions,
    _targets: &[Target],
) -> Vec<(Target, Result<Plan, Error>)> {
    todo!()
}

pub(crate) fn nothing_to_do(target: Target) -> Freed {
    Freed {
        target,
        ended: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

pub(crate) fn empty_plan(target: Target) -> Plan {
    Plan {
        target,
        holders: Vec::new(),
        error: None,
        supervisors: Vec::new(),
    }
}
