//! Which processes hold some sockets: by a quick look where holders most likely are, or by a complete one.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use super::super::{Depth, Found};
use super::borrowed::Owner;
use super::lineage::ancestors_of;
use super::locked::keeps_back;
use super::process::{Handle, caller};
use super::rights::lacks_capability;
use super::scan::{self, Look, Proc, Scanner, still_holds};
use super::share::share;
use super::sweep::lowest_of;
use crate::socket::SocketId;

/// So many of the youngest processes are looked at one by one, since the holder is likely among them; the rest is shared between
/// the cores.
const YOUNG: usize = 64;

/// What was seen of one process.
struct Seen {
    pid: u32,
    look: Look,
    /// As whom it was looked at, if not as the caller.
    owner: Option<Owner>,
}

/// Finds the holders of these sockets, which have to be sorted.
pub(super) fn find(wanted: &[SocketId], depth: Depth<'_>) -> io::Result<Found> {
    let newest = match depth {
        Depth::Complete => scan::last_pid(),
        Depth::Quick { .. } => None,
    };
    let proc = Proc::open()?;
    let pids = proc.pids()?;
    let mut seen = match depth {
        Depth::Complete => share(&proc, &pids, wanted, |scanner, pid| {
            note(pid, scanner.look(pid))
        }),
        Depth::Quick { closely } => quick(&proc, &pids, wanted, closely),
    };
    if seen.iter().any(|one| one.look.failed.is_some()) {
        seen = sparingly(&proc, &pids, wanted)?;
    }
    look_as_owners(&proc, &mut seen, wanted)?;
    let mut found = Found::default();
    if !is_everyone_visible() {
        found.unreadable.push(1);
    }
    let mut scanner = Scanner::new(&proc, wanted);
    for Seen { pid, look, owner } in seen {
        if look.denied {
            found.unreadable.push(pid);
        }
        if look.held.is_empty() {
            continue;
        }
        let Some(handle) = Handle::open(pid)? else {
            // What it held it may hold still.
            if keeps_back(pid) {
                found.unreadable.push(pid);
            }
            continue;
        };
        // The PID may have been reused between the look and now: what the handle stands for has to hold the sockets. Whose descriptors can
        // be read has not exited.
        let directory = handle.directory();
        if directory.is_some_and(|directory| still_holds(&directory, &look)) {
            found.holders.push((handle, look.held));
            continue;
        }
        let again = match owner {
            Some(owner) => look_as(&proc, owner, &[pid], wanted)?
                .pop()
                .unwrap_or_default(),
            None if look.is_partial => scanner.lowest(pid, None),
            None => scanner.look(pid),
        };
        if let Some(error) = again.failed {
            return Err(error.into());
        }
        if !again.held.is_empty() && !handle.has_exited() {
            found.holders.push((handle, again.held));
        }
    }
    if let Depth::Complete = depth
        && scan::last_pid() != newest
    {
        chase(wanted, &mut found, &mut scanner)?;
    }
    found.holders.sort_by_key(|(handle, _)| handle.pid());
    found.unreadable.sort_unstable();
    found.unreadable.dedup();
    if let Depth::Quick { .. } = depth {
        found.present = pids;
    }
    Ok(found)
}

/// How long those who hand a socket on are run after.
const CHASE: Duration = Duration::from_millis(50);

/// Looks at processes as they are started, for sockets that nobody was seen to hold: each holder may hand its own on to the next process
/// and end, faster than all processes are looked at.
fn chase(wanted: &[SocketId], found: &mut Found, scanner: &mut Scanner<'_>) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_micros(100);
    let is_missing = |found: &Found| {
        let held: HashSet<&SocketId> = found.holders.iter().flat_map(|(_, held)| held).collect();
        held.len() < wanted.len()
    };
    let begun = Instant::now();
    let mut last = scan::last_pid();
    while begun.elapsed() < CHASE && is_missing(found) {
        let newest = scan::last_pid();
        if newest == last {
            std::thread::sleep(PAUSE);
            continue;
        }
        last = newest;
        let Some(pid) = newest.filter(|&pid| !is_known(found, pid)) else {
            continue;
        };
        if scanner.look(pid).held.is_empty() {
            continue;
        }
        if let Some(handle) = Handle::open(pid)? {
            let held = scanner.look(pid).held;
            if !held.is_empty() && !handle.has_exited() {
                found.holders.push((handle, held));
            }
        }
    }
    Ok(())
}

fn is_known(found: &Found, pid: u32) -> bool {
    found.holders.iter().any(|(handle, _)| handle.pid() == pid)
}

fn note(pid: u32, look: Look) -> Option<Seen> {
    look.tells_something().then_some(Seen {
        pid,
        look,
        owner: None,
    })
}

/// Looks once more at those who are closed to the caller, as their owners, where the caller may do that.
fn look_as_owners(proc: &Proc, seen: &mut [Seen], wanted: &[SocketId]) -> io::Result<()> {
    let mut closed: HashMap<Owner, Vec<&mut Seen>> = HashMap::new();
    for one in seen.iter_mut().filter(|one| one.look.denied) {
        if let Some(owner) = Owner::of(one.pid) {
            closed.entry(owner).or_default().push(one);
        }
    }
    for (owner, mut theirs) in closed {
        let pids: Vec<u32> = theirs.iter().map(|one| one.pid).collect();
        for (one, look) in theirs.iter_mut().zip(look_as(proc, owner, &pids, wanted)?) {
            one.look = look;
            one.owner = Some(owner);
        }
    }
    Ok(())
}

/// A complete look at each of these processes, as their owner. Nothing where the caller may not read as them.
fn look_as(proc: &Proc, owner: Owner, pids: &[u32], wanted: &[SocketId]) -> io::Result<Vec<Look>> {
    let looks = owner.read(|| -> Vec<Look> {
        let mut scanner = Scanner::of_user(proc, wanted, owner.uid);
        pids.iter().map(|&pid| scanner.look(pid)).collect()
    });
    let looks = looks.unwrap_or_default();
    if let Some(error) = looks.iter().find_map(|look| look.failed) {
        return Err(error.into());
    }
    Ok(looks)
}

/// A complete look once more and with as few descriptors as possible, where somebody could not be looked at: those of several threads at once
/// may have been too many. Whoever was not looked at may be somebody to be spared, so there is no answer if that fails as well.
fn sparingly(proc: &Proc, pids: &[u32], wanted: &[SocketId]) -> io::Result<Vec<Seen>> {
    let mut scanner = Scanner::new(proc, wanted);
    let mut seen = Vec::new();
    for &pid in pids {
        let look = scanner.look(pid);
        if let Some(error) = look.failed {
            return Err(error.into());
        }
        seen.extend(note(pid, look));
    }
    Ok(seen)
}

/// Under `hidepid`, those that can't be read are not even listed. PID 1 is another user's, as a rule; root sees it, and yet not
/// everybody, where the right to trace is what counts.
fn is_everyone_visible() -> bool {
    rustix::fs::stat("/proc/1/stat").is_ok() && (!lacks_capability() || !hides())
}

/// Whether `/proc` is mounted with `hidepid`.
fn hides() -> bool {
    hides_in(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// The same by what `/proc/PID/mountinfo` says.
pub(super) fn hides_in(mounts: &str) -> bool {
    // The last one lies over the others.
    let of_proc = mounts
        .lines()
        .rfind(|mount| mount.split(' ').nth(4) == Some("/proc"));
    of_proc.is_some_and(|mount| mount.contains("hidepid=") && !mount.contains("hidepid=off"))
}

/// Looks completely at those who must not be signalled by mistake (PID 1, the caller, those who are to be looked at `closely` and each
/// holder's ancestors), and at the lowest descriptors of everybody else: a server opens its listener early. Where that leaves a socket
/// without a holder, the youngest processes are searched first, until each socket has one.
fn quick(proc: &Proc, pids: &[u32], wanted: &[SocketId], closely: &[u32]) -> Vec<Seen> {
    let mut scanner = Scanner::new(proc, wanted);
    let mut done: HashSet<u32> = HashSet::new();
    let mut seen: Vec<Seen> = Vec::new();
    let whole =
        |pid: u32, done: &mut HashSet<u32>, seen: &mut Vec<Seen>, scanner: &mut Scanner<'_>| {
            if done.insert(pid) {
                seen.extend(note(pid, scanner.look(pid)));
            }
        };
    for pid in [1, caller()].iter().chain(closely).copied() {
        whole(pid, &mut done, &mut seen, &mut scanner);
    }
    let others = pids.iter().copied().filter(|pid| !done.contains(pid));
    let others: Vec<u32> = others.collect();
    let known = seen.iter().flat_map(|one| one.look.references(one.pid));
    let found = lowest_of(proc, &others, wanted, known.collect());
    seen.extend(found.into_iter().filter_map(|(pid, look)| note(pid, look)));

    let mut missing = without_holder(wanted, &seen);
    if !missing.is_empty() {
        let order = youngest_first(others);
        let (young, old) = order.split_at(order.len().min(YOUNG));
        for &pid in young {
            let look = scanner.look(pid);
            missing.retain(|socket| !look.held.contains(socket));
            replace(&mut seen, pid, look);
            done.insert(pid);
            if missing.is_empty() {
                break;
            }
        }
        if !missing.is_empty() {
            for Seen { pid, look, .. } in share(proc, old, wanted, |scanner, pid| {
                note(pid, scanner.look(pid))
            }) {
                replace(&mut seen, pid, look);
                done.insert(pid);
            }
        }
    }
    let holders: Vec<u32> = seen
        .iter()
        .filter(|one| !one.look.held.is_empty())
        .map(|one| one.pid)
        .collect();
    for pid in ancestors_of(&holders, closely) {
        if done.insert(pid) {
            let look = scanner.look(pid);
            replace(&mut seen, pid, look);
        }
    }
    seen
}

/// Replaces a partial look by a complete one.
fn replace(seen: &mut Vec<Seen>, pid: u32, look: Look) {
    if look.tells_something() {
        seen.retain(|other| other.pid != pid);
        seen.extend(note(pid, look));
    }
}

fn without_holder(wanted: &[SocketId], seen: &[Seen]) -> Vec<SocketId> {
    let held: HashSet<SocketId> = seen
        .iter()
        .flat_map(|one| &one.look.held)
        .copied()
        .collect();
    let is_missing = |socket: &&SocketId| !held.contains(*socket);
    wanted.iter().filter(is_missing).copied().collect()
}

/// By age, as far as PIDs tell: the kernel counts them up and wraps around, so those just below the last one given out are the
/// youngest.
fn youngest_first(mut pids: Vec<u32>) -> Vec<u32> {
    let last = scan::last_pid().unwrap_or(u32::MAX);
    pids.sort_unstable_by_key(|&pid| (pid > last, std::cmp::Reverse(pid)));
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_youngest_come_first_though_pids_have_wrapped() {
        let last = scan::last_pid().unwrap();
        let order = youngest_first(vec![2, last, last + 5, last + 9, last.saturating_sub(1)]);
        assert_eq!(order[0], last);
        assert_eq!(order[4], last + 5);
    }
}
