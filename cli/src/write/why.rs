//! `--why` for people: who holds a port, where it came from, and what to do.

use std::fmt::Write as _;
use std::net::IpAddr;

use kill_port::{
    Address, BindProbe, Explanation, Fate, HolderReport, Process, Provenance, printable,
};

use crate::answer::by_state;
use crate::fold::{self, groups, likeness};
use crate::next_step;
use crate::output;
use crate::style::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::time;
use crate::user;
use crate::words::{self, command_line, cut};
use crate::write::{consequences, errors, holders};

/// So many kinds of holders of a port are shown.
const HOLDERS: usize = 8;

/// A command line is shown whole where every detail is, unless it is absurd.
const COMMAND: usize = 1000;

/// How much of a short one is shown where no terminal sets the width.
const COMMAND_IN_PIPE: usize = 200;

/// What a bind of the IPv6 wildcard asks for.
const BOTH: &str = if cfg!(target_os = "openbsd") {
    "IPv6 alone"
} else {
    "IPv4 too"
};

/// Whoever wonders why nobody answers looks for one of these.
const ELSEWHERE: &str =
    "is in another network namespace, as in a container that does not publish the port";

/// All about one port: the verdict, who holds it and where that comes from, and last what to do. `verbose` tells every detail.
pub fn screen(explanation: &Explanation, verbose: bool) -> String {
    let mut text = format!(
        "{}: {}\n",
        paint(BOLD, explanation.target),
        verdict(explanation)
    );
    text.push_str(&sockets(explanation));
    text.push_str(&all_holders(explanation, verbose));
    for holder in &explanation.elsewhere {
        let _ = writeln!(text, "  {} {holder} {ELSEWHERE}", paint(WARN, "elsewhere:"));
    }
    text.push_str(&connections(explanation));
    // That nobody else can bind it now goes without saying.
    if verbose || explanation.survey.is_free() {
        text.push_str(&binds(&explanation.bind, verbose));
    }
    for cause in &explanation.causes {
        let _ = writeln!(text, "  {} {cause}", paint(WARN, "because:"));
        let step = next_step::against(cause, explanation.target);
        text.push_str(&errors::help("    ", &step));
    }
    if !explanation.survey.is_free() || !explanation.plan.containers.is_empty() {
        text.push_str(&what_would_happen(explanation, verbose));
    }
    text
}

/// `  tcp 127.0.0.1:8080, listen`; servers that share a port have many alike.
fn sockets(explanation: &Explanation) -> String {
    let sockets = explanation.survey.sockets().iter();
    let lines = sockets.map(|socket| format!("{socket}, {}", socket.state));
    let groups = groups(lines, false, String::clone);
    let line = |group: &Vec<String>| match group.as_slice() {
        [] => String::new(),
        [only] => format!("  {only}\n"),
        [first, ..] => format!("  {first} ×{}\n", group.len()),
    };
    groups.iter().map(line).collect()
}

fn all_holders(explanation: &Explanation, verbose: bool) -> String {
    let holders = explanation.survey.holders().iter();
    let holders = holders.map(|holder| &holder.process);
    let groups = groups(
        holders.zip(&explanation.provenance),
        verbose,
        |(process, _)| likeness(process),
    );
    let (shown, more) = groups.split_at(groups.len().min(HOLDERS));
    let mut text: String = shown
        .iter()
        .map(|group| holder_lines(group, verbose))
        .collect();
    let more: Vec<String> = more
        .iter()
        .flatten()
        .map(|(process, _)| process.pid.to_string())
        .collect();
    if !more.is_empty() {
        let which = if more.len() == 1 { "PID" } else { "PIDs" };
        let _ = writeln!(
            text,
            "  and {} more: {which} {}",
            more.len(),
            more.join(", ")
        );
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

/// Who holders are and where they come from. Of a master and its workers, it is the master that somebody has started.
fn holder_lines(group: &[(&Process, &Provenance)], verbose: bool) -> String {
    let processes: Vec<&Process> = group.iter().map(|(process, _)| *process).collect();
    let first = group
        .iter()
        .min_by_key(|(_, provenance)| provenance.ancestry.len());
    let Some((process, provenance)) = first else {
        return String::new();
    };
    let mut text = format!("  {}\n", paint(BOLD, fold::name(&processes)));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let name = paint(DIM, format!("{name:<11}"));
            let _ = writeln!(text, "    {name} {value}");
        }
    };
    if verbose {
        line("command", &cut(&command_line(&process.command), COMMAND));
        if let Some(executable) = &process.executable {
            line("executable", &printable(&executable.to_string_lossy()));
        }
    } else {
        let columns = output::width().map_or(COMMAND_IN_PIPE, |width| width.saturating_sub(16));
        line(
            "command",
            &cut(&command_line(&process.short_command()), columns),
        );
    }
    if let Some(cwd) = &process.cwd {
        line("in", &printable(&cwd.to_string_lossy()));
    }
    line("user", &user::foreign(process).unwrap_or_default());
    if let Some(started) = process.started {
        let mut age = time::age(started);
        if verbose {
            age += &format!(", since {}", time::rfc3339(started));
        }
        line("running for", &age);
    }
    let mut origins = provenance.origins.iter().map(ToString::to_string);
    line("started by", &origins.next().unwrap_or_default());
    for origin in origins {
        line("", &origin);
    }
    line("ancestry", &ancestry(provenance));
    if let Some(leader) = provenance.session_leader.as_ref().filter(|_| verbose) {
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
fn what_would_happen(explanation: &Explanation, verbose: bool) -> String {
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
    text.push_str(&fates(&plan.holders, verbose));
    text.push_str(&consequences::lines("    ", plan));
    if let Some(error) = &plan.error {
        for line in errors::lines(error).lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

/// `    node (PID 4711)  would be sent SIGTERM`
fn fates(reports: &[HolderReport], verbose: bool) -> String {
    let groups = holders::alike(reports, verbose);
    let (shown, more) = groups.split_at(groups.len().min(HOLDERS));
    let line = |group: &Vec<&HolderReport>| {
        let processes: Vec<_> = group.iter().map(|report| &report.holder.process).collect();
        format!("    {}  {}\n", fold::name(&processes), words::fate(group))
    };
    let mut text: String = shown.iter().map(line).collect();
    let more: Vec<&HolderReport> = more.iter().flatten().copied().collect();
    if !more.is_empty() {
        let signalled = more
            .iter()
            .filter(|report| report.fate == Fate::WouldSignal);
        let signalled = signalled.count();
        let _ = writeln!(
            text,
            "    and {} more, of whom {signalled} would be signalled",
            more.len()
        );
    }
    text
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

/// The kernel's answers, those with and without `SO_REUSEADDR` on one line, and those that are equal on one line, too.
fn binds(probes: &[BindProbe], verbose: bool) -> String {
    let (with, without): (Vec<_>, Vec<_>) = probes.iter().partition(|probe| probe.reuse_address);
    let answers = without.into_iter().map(|probe| {
        let is_twin = |other: &&&BindProbe| {
            (other.protocol, other.address) == (probe.protocol, probe.address)
        };
        let plainly = kernels_answer(probe);
        let reusing = with.iter().find(is_twin).map(|probe| kernels_answer(probe));
        let answer = match reusing {
            Some(reusing) if reusing == plainly && probe.result.is_err() => {
                format!("{plainly}, with SO_REUSEADDR as well")
            }
            Some(reusing) if reusing != plainly => {
                format!("{plainly}; with SO_REUSEADDR: {reusing}")
            }
            _ => plainly,
        };
        (probe, answer)
    });
    let groups = groups(answers, verbose, |(_, answer)| answer.clone());
    let line = |group: &Vec<(&BindProbe, String)>| {
        let (_, answer) = group.first()?;
        let mut addresses = String::new();
        let mut protocol = None;
        for (probe, _) in group {
            addresses.push_str(if addresses.is_empty() { "" } else { ", " });
            // It holds for those that follow as well.
            if protocol != Some(probe.protocol) {
                let _ = write!(addresses, "{} ", probe.protocol);
            }
            protocol = Some(probe.protocol);
            addresses.push_str(&probed(probe.address));
        }
        Some(format!("  bind {addresses}: {answer}\n"))
    };
    groups.iter().filter_map(line).collect()
}

/// An address that was bound, so that the colon behind it is not taken for a part of it.
fn probed(address: Address) -> String {
    match address {
        Address::Ip(IpAddr::V6(ip)) if ip.is_unspecified() => format!("[{ip}] ({BOTH})"),
        Address::Ip(IpAddr::V6(_)) | Address::OnInterface(..) => format!("[{address}]"),
        _ => address.to_string(),
    }
}

fn kernels_answer(probe: &BindProbe) -> String {
    match &probe.result {
        Ok(()) => paint(GOOD, "possible"),
        Err(error) => paint(BAD, printable(&error.to_string())),
    }
}
