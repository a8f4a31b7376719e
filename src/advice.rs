//! The next step, made of what is known when an obstacle or a cause is. No other room writes advice.

mod known;

use std::collections::HashMap;

use crate::connection::LingeringState;
use crate::editor::{Editor, editor};
use crate::error::{Error, Obstacle};
use crate::explain::{self, Cause, Explanation};
use crate::forwarder::{forwarder, is_kept_by_engine};
use crate::include::Include;
use crate::next_step::Advice;
use crate::plan::Plan;
use crate::process::Process;
use crate::protocol::Protocol;
use crate::report::{Fate, HolderReport, SparedReason};
use crate::signal::Signal;
use crate::socket::{HiddenCause, Socket, SocketState};
use crate::supervisor::{Restarts, Supervisor};
use crate::sys::{self, Missing};
use crate::target::Target;

/// Finds a next step for everything that is in the way.
pub(crate) fn advise(error: &mut Error) {
    let target = error.target();
    let was_forced = error.holders().iter().all(|report| {
        report
            .signals
            .first()
            .is_none_or(|first| *first == Signal::Kill)
    });
    let is_orphaned = is_orphaned(error.obstacles());
    for obstacle in error.obstacles_mut() {
        let found = if is_orphaned && is_kept_by_its_engine(obstacle) {
            Some(Advice::Include(Include::Forwarders))
        } else {
            on_obstacle(obstacle, target, was_forced)
        };
        if let Some(advice) = obstacle.advice_mut() {
            *advice = found;
        }
    }
}

/// Finds a next step for every cause.
pub(crate) fn advise_on_causes(explanation: &mut Explanation) {
    for cause in &mut explanation.causes {
        let advice = on_cause(cause);
        *cause.advice_mut() = Some(advice);
    }
}

/// What service managers have told of units, so that each is asked about once: by the unit and the manager's PID.
pub(crate) type Units = HashMap<(String, u32), Option<(Restarts, Option<String>)>>;

/// Finds what stops each of those who may start a holder again, and leaves out units that nothing starts again.
pub(crate) fn advise_on_supervisors(supervisors: &mut Vec<Supervisor>, units: &mut Units) {
    supervisors.retain_mut(|supervisor| {
        let Some(unit) = &supervisor.unit else {
            if !explain::may_supervise(&supervisor.process) {
                return false;
            }
            let is_alone = supervisor.others.is_empty();
            supervisor.advice = Some(match supervisor.restarts {
                Restarts::Typed => {
                    text("if a loop was typed there, Ctrl-C in its terminal stops it")
                }
                _ => stop_supervisor(&supervisor.process, is_alone),
            });
            return true;
        };
        let known = units.entry((unit.clone(), supervisor.process.pid));
        let told = known.or_insert_with(|| explain::unit_restarts(unit, &supervisor.process));
        let Some((restarts, command)) = told else {
            return false;
        };
        supervisor.restarts = *restarts;
        supervisor.advice = command.clone().map(run);
        true
    });
}

/// The same for a plan: who holds the target lives, so that what it is called by its supervisor can be found.
pub(crate) fn advise_on_plan(plan: &mut Plan, units: &mut Units) {
    if let Some(error) = &mut plan.error {
        advise(error);
    }
    advise_on_supervisors(&mut plan.supervisors, units);
    for supervisor in &mut plan.supervisors {
        let is_its = |report: &&HolderReport| {
            report.fate == Fate::WouldSignal
                && report.holder.process.parent_pid == Some(supervisor.process.pid)
        };
        let is_known = supervisor.restarts == Restarts::Always && supervisor.unit.is_none();
        if is_known
            && let Some(told) = plan.holders.iter().find(is_its)
            && let Some(command) = explain::stop_command(&told.holder.process)
        {
            supervisor.advice = Some(run(command));
        }
    }
}

fn text(words: impl Into<String>) -> Advice {
    Advice::Text(words.into())
}

fn run(command: impl Into<String>) -> Advice {
    Advice::Run(command.into())
}

fn on_obstacle(obstacle: &Obstacle, target: Target, was_forced: bool) -> Option<Advice> {
    match obstacle {
        Obstacle::Spared { reason, holder, .. } => match reason {
            SparedReason::Caller => Some(text("close the listener in this program")),
            SparedReason::Ancestor | SparedReason::PerhapsAncestor => {
                Some(Advice::Include(Include::Ancestors))
            }
            SparedReason::Client if holder.sockets.iter().any(is_unconnected) => {
                Some(Advice::Protocol(Protocol::Udp))
            }
            SparedReason::Client => Some(Advice::Include(Include::Clients)),
            SparedReason::Editor => Some(stop_forwarding_in(&holder.process)),
            SparedReason::Forwarder => Some(stop_forwarding(&holder.process, target.port())),
            SparedReason::FolderUnknown if cfg!(unix) && !sys::is_superuser() => {
                Some(Advice::MoreRights)
            }
            SparedReason::Outside | SparedReason::FolderUnknown => Some(Advice::Anywhere),
            // It uses the port without listening, and is asked about only where such are included.
            SparedReason::NotAgreed if holder.sockets.is_empty() => {
                Some(Advice::Include(Include::Clients))
            }
            SparedReason::NotAgreed => Some(Advice::AgreeAgain),
            #[cfg(feature = "containers")]
            SparedReason::NoContainer => Some(Advice::Processes),
            SparedReason::Init => Some(match explain::socket_command(holder) {
                Some(command) => run(command),
                None => text(
                    "stop what it holds the port for: `systemctl list-sockets` shows the unit; in a container, stop the container",
                ),
            }),
            SparedReason::System => Some(text(
                "`netsh http show servicestate` shows who is behind it",
            )),
            // A supervisor is no holder.
            SparedReason::Kernel | SparedReason::Shell | SparedReason::Needed => None,
        },
        Obstacle::NotPermitted { holder, .. } => {
            Some(known::remedy(&holder.process, target.port()).map_or(Advice::MoreRights, text))
        }
        Obstacle::Hidden {
            socket,
            cause,
            candidates,
            ..
        } => Some(match cause {
            HiddenCause::Unreadable => look_with_more_rights(socket),
            HiddenCause::Elsewhere => look_elsewhere(socket),
            HiddenCause::Closed => end_the_waiting(candidates),
        }),
        Obstacle::Respawned {
            holder,
            unit,
            supervisor,
            supervisor_spared,
            supervisor_denied,
            ..
        } => Some(match known::remedy(&holder.process, target.port()) {
            Some(remedy) => text(remedy),
            None => stop_respawning(
                &holder.process,
                unit.as_deref(),
                supervisor.as_ref(),
                *supervisor_spared,
                *supervisor_denied,
                was_forced,
            ),
        }),
        Obstacle::Survived { holder, .. } if cfg!(target_os = "linux") => Some(text(format!(
            "it is stuck in the kernel or frozen: `cat /proc/{0}/wchan` shows where, `cat /proc/{0}/cgroup` the group to thaw",
            holder.process.pid
        ))),
        Obstacle::Survived { .. } => Some(text(
            "it is stuck in the kernel; only a restart of the machine helps",
        )),
        Obstacle::TimedOut { .. } => Some(Advice::Force),
        Obstacle::Client {
            process: Some(_), ..
        } => Some(Advice::Include(Include::Clients)),
        Obstacle::Client { .. } if !sys::is_superuser() => Some(Advice::MoreRights),
        Obstacle::Client { .. } => Some(text(WAIT)),
        Obstacle::Lingering { states, .. } => Some(wait_for_kernel(states, target.port())),
        Obstacle::Fleeting {
            supervisor: Some(supervisor),
            ..
        } => Some(text(format!("stop {supervisor}, which starts them"))),
        Obstacle::Fleeting { .. } => Some(text(
            "stop what starts them, such as a loop around `nc -l`: `ps -ef --forest` shows it",
        )),
        Obstacle::System { error, .. } if is_of_the_moment(error) => Some(text(TRY_AGAIN)),
        Obstacle::System { error, .. } if cfg!(target_os = "linux") => {
            let is_hidden = matches!(
                error.kind(),
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound
            );
            is_hidden.then(|| text(NO_PROC))
        }
        Obstacle::Unbindable { .. } if !sys::is_superuser() => Some(Advice::MoreRights),
        Obstacle::Unbindable { .. } => Some(text(
            "look for a program that has bound the port and does not listen, in this and in other PID namespaces",
        )),
        _ => None,
    }
}

/// Whether it may be better in a moment.
fn is_of_the_moment(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    // Where it was put into words, no number is left.
    let by_kind = matches!(
        error.kind(),
        ErrorKind::OutOfMemory
            | ErrorKind::Interrupted
            | ErrorKind::WouldBlock
            | ErrorKind::ResourceBusy
    );
    by_kind || sys::is_short_of_something(error)
}

const TRY_AGAIN: &str =
    "try again: the system ran short of something, such as memory or descriptors";

const WAIT: &str =
    "wait until it is done, or choose a port outside the range that clients are given ports from";

/// As apps meet it on Android, and processes in strict sandboxes.
const NO_PROC: &str = "this system does not let the caller see other processes: on Android (Termux) only root may look; in a sandbox or a \
    container, mount /proc without `subset=pid`";

fn is_unconnected(socket: &Socket) -> bool {
    socket.state == SocketState::Unconnected
}

/// What keeps it alive may have a command of its own: a unit, a process manager, a container engine.
fn stop_respawning(
    holder: &Process,
    unit: Option<&str>,
    supervisor: Option<&Process>,
    spared: Option<SparedReason>,
    is_denied: bool,
    was_forced: bool,
) -> Advice {
    let is_watcher = |process: &&Process| Restarts::of(process) == Restarts::OnChange;
    if let Some(watcher) = supervisor.filter(is_watcher)
        && spared.is_none()
        && !is_denied
    {
        return Advice::Supervisor(Box::new(watcher.clone()));
    }
    if let Some(command) = explain::stop_command(holder) {
        return run(command);
    }
    if let Some(unit) = unit {
        return run(format!("systemctl stop {}", explain::quoted(unit)));
    }
    match supervisor {
        Some(supervisor) if spared == Some(SparedReason::Needed) => {
            stop_supervisor(supervisor, false)
        }
        Some(shell) if spared == Some(SparedReason::Shell) => {
            text(format!("stop the loop in {shell}, by Ctrl-C there"))
        }
        Some(_) if spared.is_some() => text("stop what starts it first"),
        Some(_) if is_denied => Advice::MoreRights,
        Some(supervisor) => Advice::Supervisor(Box::new(supervisor.clone())),
        // It may start itself again when it is asked to end.
        None if !was_forced => Advice::Force,
        None => text("stop what starts it"),
    }
}

/// A supervisor's own command, or how to end it.
fn stop_supervisor(process: &Process, is_alone: bool) -> Advice {
    match explain::supervisor_command(process) {
        Err(words) => text(words),
        Ok(Some(command)) => run(command),
        Ok(None) if is_alone => run(explain::kill_command(process)),
        Ok(None) => text(format!(
            "`{}` would end them all",
            explain::kill_command(process)
        )),
    }
}

/// Whether the engines were asked, and a forwarder is an orphan.
fn is_orphaned(obstacles: &[Obstacle]) -> bool {
    #[cfg(feature = "containers")]
    return obstacles.iter().any(|obstacle| {
        matches!(obstacle, Obstacle::Engine { error } if error.kind == crate::container::EngineErrorKind::Orphan)
    });
    #[cfg(not(feature = "containers"))]
    {
        let _ = obstacles;
        false
    }
}

fn is_kept_by_its_engine(obstacle: &Obstacle) -> bool {
    matches!(
        obstacle,
        Obstacle::Spared { holder, reason: SparedReason::Forwarder, .. }
            if is_kept_by_engine(&holder.process)
    )
}

/// What a person does about a forwarder.
fn stop_forwarding(process: &Process, port: u16) -> Advice {
    if let Some(remedy) = known::remedy(process, port) {
        return text(remedy);
    }
    // With a remote DOCKER_HOST the same command would stop another host's container.
    let is_local = std::env::var("DOCKER_HOST").map_or(true, |host| {
        host.is_empty() || host.starts_with("unix://") || host.starts_with("npipe://")
    });
    match forwarder(process) {
        Some("docker-proxy" | "dockerd" | "Docker Desktop") if is_local => text(format!(
            "stop its container: `docker ps --filter publish={port}` shows which, `docker stop NAME` ends it"
        )),
        Some("rootlessport" | "conmon" | "pasta" | "slirp4netns") => {
            text("stop its container: `podman ps` shows which, `podman stop NAME` ends it")
        }
        _ => text("stop the container that publishes the port, by its engine's own command"),
    }
}

/// What a person does about a port that an editor holds.
fn stop_forwarding_in(process: &Process) -> Advice {
    let words = match editor(process) {
        // Its pages are served there as well, by the same program.
        Some(Editor { name, ports }) if name.ends_with("erver") => format!(
            "stop it in {name}: {ports} shows what it forwards; if the port is its own, stop it as it was started"
        ),
        Some(Editor { name, ports }) => format!(
            "stop it in {name}: {ports} shows what it forwards, and an extension that serves has a command of its own"
        ),
        None => "stop it in the editor".to_owned(),
    };
    Advice::Rather(words, Include::Editors)
}

fn look_elsewhere(socket: &Socket) -> Advice {
    if cfg!(windows) {
        return text(format!(
            "end what that process had started; `netstat -ano | findstr :{}` shows its former PID",
            socket.port
        ));
    }
    text(format!(
        "look from the host or outside the container with `ss -lnp sport = :{}`; a kernel service such as NFS or WireGuard has no process",
        socket.port
    ))
}

fn wait_for_kernel(states: &[LingeringState], port: u16) -> Advice {
    let longest = states.iter().map(|state| state.longest).max().flatten();
    let wait = match longest {
        Some(longest) => format!("wait {} s", longest.as_secs().saturating_add(1)),
        None => "close the other ends, or wait until the kernel gives them up".to_owned(),
    };
    let at_once = if cfg!(target_os = "linux") {
        format!("; `ss -K sport = :{port}` as root gives them up at once")
    } else {
        String::new()
    };
    text(format!(
        "{wait}{at_once}; a server that sets SO_REUSEADDR before it binds leaves nothing like it behind"
    ))
}

fn on_cause(cause: &Cause) -> Advice {
    match cause {
        Cause::Lingering {
            processes,
            reuse_address_helps,
            states,
            ..
        } => text(after_lingering(processes, *reuse_address_helps, states)),
        Cause::BoundOnly { processes, .. } if processes.is_empty() => {
            text("end the process that has it")
        }
        Cause::BoundOnly { .. } => Advice::Kill,
        Cause::Client {
            process: Some(_), ..
        } => Advice::Include(Include::Clients),
        Cause::Client { .. } => text(WAIT),
        Cause::Privileged {
            first_unprivileged, ..
        } => text(if cfg!(target_os = "linux") {
            format!(
                "choose a port from {first_unprivileged} on, or give the server's program the right: `sudo setcap cap_net_bind_service=+ep PROGRAM`"
            )
        } else {
            format!("choose a port from {first_unprivileged} on, or start the server as root")
        }),
        Cause::Excluded { .. } => text(
            "choose another port; as administrator, `net stop winnat` and `net start winnat` let the range be chosen anew",
        ),
        Cause::NotLocal { .. } => {
            text("bind an address that one of this machine's interfaces has, or a wildcard")
        }
        Cause::Kernel { .. } if cfg!(windows) => text(
            "look for a child that a process which has ended has left its sockets to; `netstat -abno` as administrator shows more",
        ),
        Cause::Kernel { socket, .. } if cfg!(not(target_os = "linux")) => {
            text(format!("`sudo lsof -nP -i :{}` shows more", socket.port))
        }
        Cause::Kernel { socket, .. } => text(match explain::service(socket) {
            Some((_, remedy)) => remedy,
            None => {
                "stop the kernel service that uses it, such as NFS (`rpcinfo -p`) or a WireGuard interface (`wg show`)"
            }
        }),
        Cause::OutsideNamespace { socket, .. } => text(format!(
            "look from the host or outside the container: `ss -lnp sport = :{}`",
            socket.port
        )),
        Cause::Closed { candidates, .. } => end_the_waiting(candidates),
        Cause::Unreadable { socket, .. } => look_with_more_rights(socket),
    }
}

/// It is for a person to say that it is this one.
fn end_the_waiting(candidates: &[Process]) -> Advice {
    match candidates {
        [one] => text(format!(
            "if it is that one, `kill {}` frees the port",
            one.pid
        )),
        _ => text("end the one that served there"),
    }
}

/// What helps where somebody could not be looked at.
fn look_with_more_rights(socket: &Socket) -> Advice {
    let why = match sys::missing() {
        Missing::Rights => return Advice::MoreRights,
        Missing::Capability => {
            "this root lacks CAP_SYS_PTRACE, and so may not look at every process: start the container with `--cap-add SYS_PTRACE`, or look"
        }
        Missing::OuterNamespace => {
            "this root is one inside its user namespace only, and may not look at the processes of others: look"
        }
        Missing::Nothing => "even root may not look at every process here: look",
    };
    text(format!(
        "{why} from the host with `ss -lnp sport = :{}`",
        socket.port
    ))
}

fn after_lingering(processes: &[Process], helps: bool, states: &[LingeringState]) -> String {
    if helps {
        return "a server that sets SO_REUSEADDR before it binds can start now".into();
    }
    let mut parts = Vec::new();
    if !processes.is_empty() {
        let names: Vec<String> = processes.iter().take(3).map(ToString::to_string).collect();
        parts.push(format!("end {}", names.join(" and ")));
    }
    let longest = states.iter().map(|state| state.longest).max().flatten();
    if let Some(longest) = longest {
        parts.push(format!("wait {} s", longest.as_secs().saturating_add(1)));
    }
    if parts.is_empty() {
        parts.push("close the other ends, or wait until the kernel gives them up".into());
    }
    let next = "have the server set SO_REUSEADDR from its next start on: it helps only if the old socket had it as well";
    format!("{}; {next}", parts.join(", "))
}
