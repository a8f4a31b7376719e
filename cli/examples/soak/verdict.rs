//! Whether what the command said is what happened, and nothing else did.

use std::net::SocketAddr;

use kill_port_fixture::linux::{descriptors, sockets};
use serde_json::Value;

use crate::act::{Act, Frees, Part};
use crate::call::{Aim, Call};
use crate::people::Person;
use crate::scene::{Scene, Told};

/// All that went wrong.
pub fn of(scene: &Scene) -> Vec<String> {
    let mut faults = Vec::new();
    for told in &scene.told {
        faults.extend(of_call(told, scene));
    }
    for (fixture, person) in &scene.bystanders {
        if !person.lives() {
            faults.push(format!(
                "{person}, who has nothing to do with it, has ended: {:?}",
                fixture.lines()
            ));
        } else if fixture.count("pid server") > 0 {
            let got = fixture.signals();
            if !got.is_empty() {
                faults.push(format!(
                    "{person}, who has nothing to do with it, got {got:?}"
                ));
            }
        }
    }
    for (place, act) in scene.acts.iter().enumerate() {
        faults.extend(of_act(place, act, scene));
    }
    faults
}

fn of_call(told: &Told, scene: &Scene) -> Vec<String> {
    let mut faults: Vec<String> = told.refusals.clone();
    let is_bad = |line: &&String| {
        ["hangs ", "bereft ", "left behind: "]
            .iter()
            .any(|start| line.starts_with(start))
            || line.contains("panicked at")
    };
    faults.extend(told.lines.iter().filter(is_bad).cloned());
    if told
        .lines
        .iter()
        .any(|line| line.starts_with("unsupported"))
    {
        return faults;
    }
    let call = &told.call;
    if !is_an_end(told) {
        faults.push(format!(
            "code {:?}, ended by {:?}",
            told.code, told.ended_by
        ));
    }
    if let (true, Some(0 | 1 | 3)) = (call.is_json, told.code) {
        match &told.json {
            Some(json) => faults.extend(of_json(told, json, scene)),
            None => faults.push("there is no JSON".to_owned()),
        }
    }
    faults.extend(unexpected(told, scene));
    faults
}

/// Whether it is one of the ends that such a call may have.
fn is_an_end(told: &Told) -> bool {
    let by_signal = |code: i32| {
        let signal = told.call.interrupt.map(|(signal, _)| signal);
        signal.is_some_and(|signal| code == 128 + signal)
    };
    match (told.code, told.ended_by) {
        (Some(0 | 1), _) => true,
        (Some(3), _) => told.call.fails_if_free,
        (Some(code), _) => by_signal(code),
        (None, Some(signal)) => told.call.interrupt.is_some_and(|(sent, _)| sent == signal),
        (None, None) => false,
    }
}

/// Whether it ended otherwise than it has to.
fn unexpected(told: &Told, scene: &Scene) -> Option<String> {
    let call = &told.call;
    if call.aim != Aim::Free || call.interrupt.is_some() {
        return None;
    }
    if call.hold.is_some() {
        let may_see =
            call.protocol != Some("udp") && call.address != Some("[::1]") && !call.is_apart;
        return (may_see && told.code != Some(1)).then(|| "its caller holds the port".to_owned());
    }
    let named = || {
        let named = call.named.iter();
        named.map(|&(place, _)| (place, &scene.acts[place]))
    };
    let is_sure = |(place, act): (usize, &Act)| {
        act.frees == Frees::Surely
            && (call.must_free(place, act) || act.kind == "nobody" || act.is_elsewhere)
    };
    if call.is_able && named().all(is_sure) && !matches!(told.code, Some(0 | 3)) {
        return Some("it has to free this".to_owned());
    }
    let others_end = |place: usize, act: &Act| {
        let mut others = scene.told.iter().map(|told| &told.call);
        others.any(|call| {
            call.supervisor && call.may_end(place, act, Part::Holder) || call.connections
        })
    };
    let is_impossible = |(place, act): (usize, &Act)| {
        act.frees == Frees::Never && act.kind != "nobody" && !others_end(place, act)
    };
    // While others end who comes back, it is free for a moment; and so it is for a caller who does not wait.
    let sees_all = scene.told.len() == 1
        && call.settle.as_millis() >= 200
        && !call.has_gaps
        && call.protocol.is_none()
        && call.address.is_none()
        && !call.is_apart;
    if sees_all && named().any(is_impossible) && told.code != Some(1) {
        return Some("it can't free this".to_owned());
    }
    None
}

const FREE: [&str; 3] = ["freed", "already_free", "would_free"];

/// Whether the JSON agrees with the exit code and with who lives.
fn of_json(told: &Told, json: &Value, scene: &Scene) -> Vec<String> {
    let mut faults = Vec::new();
    let none = Vec::new();
    let list = |value: &'_ Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let ports = json["ports"].as_array().unwrap_or(&none);
    let outcomes: Vec<&str> = ports
        .iter()
        .filter_map(|port| port["outcome"].as_str())
        .collect();
    let is_free = outcomes.iter().all(|outcome| FREE.contains(outcome));
    let call = &told.call;
    if matches!(call.aim, Aim::Free | Aim::DryRun) {
        let has_errors = !list(json, "errors").is_empty();
        let agrees = match told.code {
            Some(0) => is_free && !has_errors,
            Some(3) => outcomes.iter().all(|outcome| *outcome == "already_free"),
            _ => !is_free || has_errors,
        };
        if !agrees || ports.is_empty() {
            faults.push(format!(
                "the code is {:?}, and the outcomes are {outcomes:?}",
                told.code
            ));
        }
    }
    if call.is_apart {
        return faults;
    }
    for port in ports {
        for holder in list(port, "holders") {
            faults.extend(of_holder(told, &holder, scene));
        }
        for obstacle in list(port, "errors") {
            if obstacle["message"].as_str().is_none_or(str::is_empty) {
                faults.push(format!("an obstacle without a message: {obstacle}"));
            }
        }
    }
    faults
}

/// Whether what is said of a holder is so.
fn of_holder(told: &Told, holder: &Value, scene: &Scene) -> Option<String> {
    let pid = u32::try_from(holder["pid"].as_u64()?).ok()?;
    let outcome = holder["outcome"].as_str()?;
    let (place, act, person) = scene.acts.iter().enumerate().find_map(|(place, act)| {
        let person = act.people.iter().find(|person| person.pid == pid)?;
        Some((place, act, person))
    })?;
    let might_end = |told: &&Told| told.call.may_end(place, act, act.part(&person.name));
    let is_only_one = scene.told.iter().filter(might_end).count() <= usize::from(might_end(&told));
    let signals = signals_in(holder);
    match outcome {
        "exited" if person.lives() => Some(format!("{person} is said to have exited, and lives")),
        "spared" | "withheld" | "denied" | "seen" | "would_signal"
            if is_only_one && !act.is_fleeting && !person.lives() && signals.is_empty() =>
        {
            let is_ended_with_others =
                act.kind == "prefork" || act.kind == "odd server" || act.returns;
            (!is_ended_with_others)
                .then(|| format!("{person} is said to be {outcome}, and has ended"))
        }
        "released" if is_only_one && !person.lives() && !signals.contains(&"KILL".to_owned()) => {
            // Whoever releases the port may end in the moment after it.
            let releases = act.tells && act.lines().iter().any(|line| line.starts_with("released"));
            releases.then(|| format!("{person} is said to have released the port, and has ended"))
        }
        "spared" | "withheld" if !signals.is_empty() => Some(format!(
            "{person} is said to be {outcome}, and was sent {signals:?}"
        )),
        _ => None,
    }
}

fn signals_in(holder: &Value) -> Vec<String> {
    let signals = holder["signals"].as_array().into_iter().flatten();
    signals
        .filter_map(|signal| Some(signal.as_str()?.to_owned()))
        .collect()
}

/// Whether those live whom no call might end, and whether those who tell it got the signals that are told.
fn of_act(place: usize, act: &Act, scene: &Scene) -> Vec<String> {
    let mut faults = Vec::new();
    for person in &act.people {
        let part = act.part(&person.name);
        let may_end = |told: &Told| told.call.may_end(place, act, part);
        let is_ended_by_others = act.is_fleeting && part == Part::Holder;
        if !person.lives() && !is_ended_by_others && !scene.told.iter().any(may_end) {
            faults.push(format!(
                "{person} of {} has ended, and no call might end it",
                act.kind
            ));
        }
        if act.tells && part == Part::Holder {
            faults.extend(of_signals(person, act, scene));
        }
    }
    faults
}

fn of_signals(person: &Person, act: &Act, scene: &Scene) -> Option<String> {
    let is_told = |told: &Told| {
        let is_silent = told.call.aim == Aim::Free && told.json.is_none();
        !is_silent && !told.call.is_apart
    };
    if !scene.told.iter().all(is_told) {
        return None;
    }
    let sent: Vec<Vec<String>> = scene
        .told
        .iter()
        .filter(|told| told.call.aim == Aim::Free)
        .filter_map(|told| told.json.as_ref())
        .flat_map(|json| json["ports"].as_array().into_iter().flatten())
        .flat_map(|port| port["holders"].as_array().into_iter().flatten())
        .filter(|holder| holder["pid"] == person.pid)
        .map(signals_in)
        .collect();
    if person.lives() {
        give_time(person, act);
    } else {
        for fixture in &act.cast {
            fixture.wait_gone();
        }
    }
    let got = act.signals_of(person.pid);
    let sent_all: Vec<&String> = sent.iter().flatten().collect();
    if let Some(signal) = got.iter().find(|signal| !sent_all.contains(signal)) {
        return Some(format!(
            "{person} got {signal}, which no call tells of: {sent:?}"
        ));
    }
    // One that comes when it ends anyway, by SIGKILL or by what another call has sent, is not told of.
    let is_ended_anyway = sent.len() > 1 || sent_all.iter().any(|signal| *signal == "KILL");
    let missed = sent_all.iter().find(|signal| !got.contains(signal));
    match missed {
        Some(signal) if !is_ended_anyway && !person.lives() => Some(format!(
            "{person} is said to have been sent {signal}, and got {got:?}"
        )),
        _ => None,
    }
}

/// Asks for a sign of life, so that all that was sent before is told; one that is suspended gives none.
fn give_time(person: &Person, act: &Act) {
    let count = || -> usize { act.cast.iter().map(|fixture| fixture.count("here")).sum() };
    let before = count();
    // SAFETY: `kill` takes two numbers; the signal is one that is ignored.
    unsafe { libc::kill(person.pid as libc::pid_t, libc::SIGWINCH) };
    for _ in 0..250 {
        if count() > before || !person.lives() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Why the ports that a call says are free can't be bound, as servers bind them.
pub fn refusals(told: &Told, acts: &[Act], is_alone: bool) -> Vec<String> {
    let call = &told.call;
    if call.aim != Aim::Free || !matches!(told.code, Some(0 | 3)) || call.is_apart {
        return Vec::new();
    }
    let mut refusals = Vec::new();
    for &(place, port) in &call.named {
        let act = &acts[place];
        // Who has let nobody wait is not told who comes after that.
        // Nor who finds it free while another call ends one that comes back.
        let is_watched = call.settle.as_millis() >= 200 && is_alone;
        let is_promised = !act.returns || (is_watched && act.kind != "waits_for_the_port");
        if !is_promised {
            continue;
        }
        let port = act.ports[port].number();
        for (is_udp, address) in binds(call, port, had_udp(told, port)) {
            if let Err(error) = descriptors::apart(|| bind(is_udp, address)) {
                // A loop that gets no processor for longer than a port is watched looks like one that is over.
                if act.kind == "one_shot_loop" && act.was_stalled() {
                    break;
                }
                let protocol = if is_udp { "UDP" } else { "TCP" };
                refusals.push(format!("{address} can't be bound ({protocol}): {error}"));
            }
        }
    }
    refusals
}

/// Whether a holder of this port had it over UDP, and is gone.
fn had_udp(told: &Told, port: u16) -> bool {
    let json = told.json.iter();
    let ports = json.flat_map(|json| json["ports"].as_array().into_iter().flatten());
    let asked = ports.filter(|asked| asked["port"] == port);
    let holders = asked.flat_map(|asked| asked["holders"].as_array().into_iter().flatten());
    let mut gone = holders.filter(|holder| holder["outcome"] == "exited");
    gone.any(|holder| {
        let mut sockets = holder["sockets"].as_array().into_iter().flatten();
        sockets.any(|socket| socket["protocol"] == "udp")
    })
}

/// What servers would bind.
fn binds(call: &Call, port: u16, had_udp: bool) -> Vec<(bool, SocketAddr)> {
    let addresses: &[&str] = match call.address {
        None | Some("*") => &["::", "0.0.0.0"],
        Some("[::1]") => &["::1"],
        Some("localhost") => &["127.0.0.1", "::1"],
        Some(address) => &[address],
    };
    let addresses = addresses.iter().map(|address| {
        let address = address.parse().expect("an address");
        SocketAddr::new(address, port)
    });
    let (tcp, udp) = (
        call.protocol != Some("udp"),
        call.protocol == Some("udp") || had_udp,
    );
    addresses
        .flat_map(|address| [(false, address), (true, address)])
        .filter(|(is_udp, _)| if *is_udp { udp } else { tcp })
        .collect()
}

fn bind(is_udp: bool, address: SocketAddr) -> std::io::Result<()> {
    let socket = sockets::new(address.ip(), is_udp, 0)?;
    if address.is_ipv6() {
        sockets::option(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
    }
    if !is_udp {
        sockets::option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    }
    sockets::bind(&socket, address)
}
