//! `--why` for people: who holds a port, where it came from, and what to do.

use std::fmt::Write as _;
use std::net::IpAddr;

use kill_port::{BindProbe, Explanation, Fate, HolderReport, Process, Provenance, printable};

use crate::answer::by_state;
use crate::next_step;
use crate::style::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::time;
use crate::user;
use crate::words::{self, command_line, cut};
use crate::write::{consequences, errors};

/// So many holders of a port are shown in full; two hundred workers of a pool differ in their PIDs alone.
const HOLDERS: usize = 8;

/// A command line is shown whole, unless it is absurd.
const COMMAND: usize = 1000;

/// What a bind of the IPv6 wildcard asks for.
const BOTH: &str = if cfg!(target_os = "openbsd") {
    "IPv6 alone"
} else {
    "IPv4 too"
};

/// Whoever wonders why nobody answers looks for one of these.
const ELSEWHERE: &str =
    "is in another network namespace, as in a container that does not publish the port";

/// All about one port.
pub fn screen(explanation: &Explanation) -> String {
    let mut text = format!(
        "{}: {}\n",
        paint(BOLD, explanation.target),
        verdict(explanation)
    );
    for socket in explanation.survey.sockets() {
        let _ = writeln!(text, "  {socket}, {}", socket.state);
    }
    let holders = explanation.survey.holders();
    for (holder, provenance) in holders.iter().zip(&explanation.provenance).take(HOLDERS) {
        text.push_str(&holder_lines(&holder.process, provenance));
    }
    if let Some(more) = holders.get(HOLDERS..).filter(|more| !more.is_empty()) {
        let pids: Vec<String> = more
            .iter()
            .map(|holder| holder.process.pid.to_string())
            .collect();
        let which = if pids.len() == 1 { "PID" } else { "PIDs" };
        let _ = writeln!(
            text,
            "  and {} more: {which} {}",
            pids.len(),
            pids.join(", ")
        );
    }
    if !explanation.survey.is_free() || !explanation.plan.containers.is_empty() {
        text.push_str(&what_would_happen(explanation));
    }
    for holder in &explanation.elsewhere {
        let _ = writeln!(text, "  {} {holder} {ELSEWHERE}", paint(WARN, "elsewhere:"));
    }
    text.push_str(&connections(explanation));
    text.push_str(&binds(&explanation.bind));
    for cause in &explanation.causes {
        let _ = writeln!(text, "  {} {cause}", paint(WARN, "because:"));
        let step = next_step::against(cause, explanation.target);
        text.push_str(&errors::help("    ", &step));
    }
    text
}

fn verdict(explanation: &Explanation) -> String {
    let survey = &explanation.survey;
    match (survey.holders().len(), survey.hidden().len()) {
        (0, 0) if !explanation.plan.containers.is_empty() => {
            paint(BOLD, "published by a container; no socket holds it")
        }
        (0, 0) if needs_no_option(explanation) => {
            paint(GOOD, "nobody holds it, and it can be bound")
        }
        (0, 0) if explanation.can_be_bound() => paint(
            WARN,
            "nobody holds it, and it can be bound with SO_REUSEADDR alone",
        ),
        (0, 0) => paint(BAD, "nobody holds it, and yet it can't be bound"),
        (0, _) => paint(BAD, "held, and its holder can't be determined"),
        (1, 0) => paint(BOLD, "held by one process"),
        (count, 0) => paint(BOLD, format!("held by {count} processes")),
        (count, 1) => paint(
            BAD,
            format!("held by {count} known, and the holder of one more socket can't be determined"),
        ),
        (count, hidden) => paint(
            BAD,
            format!(
                "held by {count} known, and the holders of {hidden} more sockets can't be determined"
            ),
        ),
    }
}

/// Whether every bind succeeded without `SO_REUSEADDR`.
fn needs_no_option(explanation: &Explanation) -> bool {
    let mut plain = explanation.bind.iter().filter(|probe| !probe.reuse_address);
    plain.all(|probe| probe.result.is_ok())
}

/// Who a holder is and where it comes from.
fn holder_lines(process: &Process, provenance: &Provenance) -> String {
    let mut text = format!("  {}\n", paint(BOLD, process));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let name = paint(DIM, format!("{name:<11}"));
            let _ = writeln!(text, "    {name} {value}");
        }
    };
    line("command", &cut(&command_line(&process.command), COMMAND));
    if let Some(executable) = &process.executable {
        line("executable", &printable(&executable.to_string_lossy()));
    }
    if let Some(cwd) = &process.cwd {
        line("in", &printable(&cwd.to_string_lossy()));
    }
    line("user", &user::foreign(process).unwrap_or_default());
    if let Some(started) = process.started {
        line(
            "running for",
            &format!("{}, since {}", time::age(started), time::rfc3339(started)),
        );
    }
    let mut origins = provenance.origins.iter().map(ToString::to_string);
    line("started by", &origins.next().unwrap_or_default());
    for origin in origins {
        line("", &origin);
    }
    line("ancestry", &ancestry(provenance));
    if let Some(leader) = &provenance.session_leader {
        line("session of", &leader.to_string());
    }
    if let Some(what) = &provenance.brought_back_by {
        line("comes back", &format!("by {}", printable(what)));
    }
    if let Some(command) = &provenance.stop_command {
        line("stop it by", &format!("`{}`", printable(command)));
    }
    text
}

/// `npm (PID 12) < bash (PID 11) < sshd (PID 10)`
fn ancestry(provenance: &Provenance) -> String {
    let mut line: Vec<String> = provenance
        .ancestry
        .iter()
        .map(ToString::to_string)
        .collect();
    if let Some(pid) = provenance.breaks_off {
        line.push(format!("PID {pid}, which can't be seen"));
    }
    line.join(" < ")
}

/// What a plain kill would do.
fn what_would_happen(explanation: &Explanation) -> String {
    let plan = &explanation.plan;
    let outcome = if plan.comes_back() {
        paint(BAD, "would free it, and it would come back")
    } else if plan.would_free() {
        paint(GOOD, "would free it")
    } else {
        paint(BAD, "would not free it")
    };
    let line = next_step::in_earnest(explanation.target);
    let mut text = format!("  {line} {outcome}\n");
    for report in plan.holders.iter().take(HOLDERS) {
        let _ = writeln!(
            text,
            "    {}  {}",
            report.holder.process,
            words::fate(report)
        );
    }
    if let Some(more) = plan.holders.get(HOLDERS..).filter(|more| !more.is_empty()) {
        let _ = writeln!(text, "    {}", the_rest(more));
    }
    text.push_str(&consequences::lines("    ", plan));
    if let Some(error) = &plan.error {
        for line in errors::lines(error).lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

fn the_rest(reports: &[HolderReport]) -> String {
    let signalled = reports
        .iter()
        .filter(|report| report.fate == Fate::WouldSignal)
        .count();
    format!(
        "and {} more, of whom {signalled} would be signalled",
        reports.len()
    )
}

/// `  connections: 3 tcp ESTABLISHED, 12 tcp TIME_WAIT`
fn connections(explanation: &Explanation) -> String {
    let counts: Vec<String> = by_state(explanation)
        .iter()
        .map(|((protocol, state), group)| format!("{} {protocol} {state}", group.len()))
        .collect();
    if counts.is_empty() {
        return String::new();
    }
    format!("  connections: {}\n", counts.join(", "))
}

/// The kernel's answers, those with and without `SO_REUSEADDR` on one line.
fn binds(probes: &[BindProbe]) -> String {
    let mut text = String::new();
    let (with, without): (Vec<_>, Vec<_>) = probes.iter().partition(|probe| probe.reuse_address);
    for probe in without {
        let address = match probe.address {
            // The colon behind it would be taken for a part of the address.
            IpAddr::V6(address) if address.is_unspecified() => format!("[{address}] ({BOTH})"),
            IpAddr::V6(address) => format!("[{address}]"),
            IpAddr::V4(address) => address.to_string(),
        };
        let protocol = probe.protocol;
        text += &format!("  bind {protocol} {address}: {}", kernels_answer(probe));
        let is_twin = |other: &&&BindProbe| {
            (other.protocol, other.address) == (probe.protocol, probe.address)
        };
        if let Some(with) = with.iter().find(is_twin) {
            text += &format!("; with SO_REUSEADDR: {}", kernels_answer(with));
        }
        text.push('\n');
    }
    text
}

fn kernels_answer(probe: &BindProbe) -> String {
    match &probe.result {
        Ok(()) => paint(GOOD, "possible"),
        Err(error) => paint(BAD, printable(&error.to_string())),
    }
}
