//! Who is there? One look, quick or complete, that kill, plan, survey and explain share: the sockets of a target, who holds
//! them, what else uses the port, and what the kernel says to a bind.
//!
//! Everything that is asked of the system before a decision is asked here.

mod ends;
mod people;
mod sight;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ends::Ends;
pub(crate) use people::{Crowd, Facts, Id, People};
pub(crate) use sight::{Found, Life, Newcomer, Refusal, Sight, Use};

use crate::connection::{Connection, ConnectionState};
use crate::interface::{needs_interface, on_interface};
use crate::process::Process;
use crate::protocol::Protocol;
use crate::socket::{HiddenCause, HiddenSocket, Holder, Socket, SocketId, SocketState, Survey};
use crate::sys::{self, Bind, Depth, Manner, Ports, Table};
use crate::target::Target;

/// How long a socket may outlive its last holder: a descriptor in an io_uring goes 20 to 30 ms after its process. One that
/// has no holder is called hidden only if it is still there after this time.
pub(crate) const LINGER: Duration = Duration::from_millis(50);

/// How often a look is repeated for the sake of sockets whose last holder may just have ended. Where processes come and go all the
/// time, there is always one.
const LOOKS: usize = 4;

/// How long the kernel keeps a connection in TIME_WAIT.
const TIME_WAIT: Duration = Duration::from_secs(60);

/// What a complete look asks for beside sockets and holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Nothing.
    Sockets,
    /// Binds of what nobody holds, and who uses the port if they are refused.
    Binds,
    /// Who uses the port, in any case.
    Uses,
}

/// The look at the system for one call of the library.
pub(crate) struct Discovery {
    table: Table,
    pub people: People,
    /// The sockets that had no holder at some look.
    unheld: HashSet<SocketId>,
    guesses: Guesses,
}

/// Who may hold what nobody was seen to hold, for the length of one look: of thousands of sockets the answers are few.
#[derive(Default)]
struct Guesses {
    waiting: HashMap<Protocol, Vec<Process>>,
    by_user: HashMap<Option<u32>, Vec<Process>>,
}

impl Discovery {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            table: Table::open()?,
            people: People::default(),
            unheld: HashSet::new(),
            guesses: Guesses::default(),
        })
    }

    /// The sockets that the cheap look shows, for each target. A port that it calls free may have rows that were skipped; the second
    /// value tells whether that can't be.
    pub(crate) fn listening(&mut self, targets: &[Target]) -> io::Result<(Vec<Vec<Socket>>, bool)> {
        let mut sockets = Vec::new();
        let is_all = self
            .table
            .listening(Ports::These(&ports(targets)), &mut sockets)?;
        Ok((by_target(targets, sockets), is_all))
    }

    /// The same, so that a port that is called free had no row that could be skipped. A question about fewer ports has a shorter answer, until
    /// it comes in one part: where nobody listens at any of these, the first one does.
    pub(crate) fn listening_surely(&mut self, targets: &[Target]) -> io::Result<Vec<Vec<Socket>>> {
        let (mut found, is_all) = self.listening(targets)?;
        if is_all {
            return Ok(found);
        }
        let mut places: Vec<usize> = (0..targets.len())
            .filter(|&place| found[place].is_empty())
            .collect();
        places.sort_by_key(|&place| targets[place].port());
        if targets.len() == 1 {
            return Ok(found);
        }
        let (low, high) = places.split_at(places.len() / 2);
        for places in [low, high].into_iter().filter(|places| !places.is_empty()) {
            let targets: Vec<Target> = places.iter().map(|&place| targets[place]).collect();
            for (&place, sockets) in places.iter().zip(self.listening_surely(&targets)?) {
                found[place] = sockets;
            }
        }
        Ok(found)
    }

    /// The sockets of these targets that are bound without listening, for each target.
    pub(crate) fn bound(&mut self, targets: &[Target]) -> io::Result<Vec<Vec<Socket>>> {
        let mut sockets = Vec::new();
        self.table
            .bound(Ports::These(&ports(targets)), &mut sockets)?;
        Ok(by_target(targets, sockets))
    }

    /// Who holds these sockets, for each list of them, with one scan of the processes. A quick look becomes a complete one where a socket
    /// has no holder that way.
    pub(crate) fn holders(&mut self, of: &[&[Socket]], depth: Depth<'_>) -> io::Result<Vec<Found>> {
        let ids: Vec<SocketId> = of
            .iter()
            .copied()
            .flatten()
            .map(|socket| socket.id)
            .collect();
        let mut scan = self.scan(ids.clone(), depth)?;
        if depth != Depth::Complete && !ids.iter().all(|id| scan.owners.contains_key(id)) {
            scan = self.scan(ids, Depth::Complete)?;
        }
        of.iter()
            .map(|sockets| self.found_in(&scan, sockets))
            .collect()
    }

    fn scan(&mut self, ids: Vec<SocketId>, depth: Depth<'_>) -> io::Result<Scan> {
        self.guesses = Guesses::default();
        let mut scan = Scan::default();
        if ids.is_empty() {
            return Ok(scan);
        }
        let mut found = self.table.find(ids, depth)?;
        let (handles, held): (Vec<_>, Vec<_>) = found.holders.into_iter().unzip();
        for (id, sockets) in self.people.meet_all(handles)?.into_iter().zip(held) {
            for socket in sockets {
                scan.owners.entry(socket).or_default().push(id);
            }
        }
        found.unreadable.sort_unstable();
        scan.unreadable = found.unreadable.into();
        scan.present = found.present.into();
        Ok(scan)
    }

    fn found_in(&mut self, scan: &Scan, sockets: &[Socket]) -> io::Result<Found> {
        let mut found = Found {
            unreadable: Rc::clone(&scan.unreadable),
            present: Rc::clone(&scan.present),
            ..Found::default()
        };
        let mut place: HashMap<Id, usize> = HashMap::new();
        for socket in sockets {
            let Some(owners) = scan.owners.get(&socket.id) else {
                let hidden = self.hidden(socket.clone(), &scan.unreadable)?;
                found.unheld.push(hidden);
                continue;
            };
            for &id in owners {
                let at = *place.entry(id).or_insert_with(|| {
                    found.held.push((id, Vec::new()));
                    found.held.len() - 1
                });
                // The place of one that was pushed: nobody is taken out before all are in.
                found.held[at].1.push(socket.clone());
            }
        }
        found
            .held
            .sort_by_key(|&(id, _)| self.people.crowd[id].process.pid);
        // A parent that can't be read may hold the same socket: users tell.
        let mut parents = Vec::new();
        for (id, _) in &found.held {
            let facts = &self.people.crowd[*id];
            let parent = facts.ancestors.first().copied();
            let is_unreadable = |parent: &Id| {
                let pid = self.people.crowd[*parent].process.pid;
                pid != 1 && found.unreadable.binary_search(&pid).is_ok()
            };
            if facts.unseen_parent.is_some() || parent.as_ref().is_some_and(is_unreadable) {
                parents.extend(parent);
            }
        }
        self.people.describe_all(&parents)?;
        Ok(found)
    }

    /// Adds everybody below the holders of each target, with one look at who descends from whom.
    pub(crate) fn add_descendants<'f>(
        &mut self,
        to: impl Iterator<Item = &'f mut Found>,
    ) -> io::Result<()> {
        let mut to: Vec<&mut Found> = to.collect();
        let mut places: HashMap<Id, Vec<usize>> = HashMap::new();
        for (place, found) in to.iter().enumerate() {
            for (id, _) in &found.held {
                places.entry(*id).or_default().push(place);
            }
        }
        let roots: Vec<&sys::Handle> = places.keys().map(|&id| self.people.handle(id)).collect();
        let handles = sys::descendants(&roots)?;
        let mut met = self.people.meet_all(handles)?;
        met.sort_by_key(|&id| self.people.crowd[id].ancestors.len());
        for id in met {
            let above = &self.people.crowd[id].ancestors;
            let below = above.iter().filter_map(|above| places.get(above)).flatten();
            let is_holder = |place: &usize| {
                places
                    .get(&id)
                    .is_some_and(|own| own.binary_search(place).is_ok())
            };
            let below: BTreeSet<usize> = below.copied().filter(|place| !is_holder(place)).collect();
            for place in below {
                to[place].descendants.push(id);
            }
        }
        Ok(())
    }

    /// Those who were started since then, below these processes or anywhere: who is above them is known, and nothing else is read.
    pub(crate) fn started_since(&mut self, mark: sys::Mark, below: &[Id]) -> io::Result<Vec<Id>> {
        let below: Vec<&sys::Handle> = below.iter().map(|&id| self.people.handle(id)).collect();
        let handles = sys::started_since(mark, &below)?;
        let started = handles.into_iter();
        started.map(|handle| self.people.place(handle)).collect()
    }

    /// What is known of a socket whose holder can't be determined.
    fn hidden(&mut self, socket: Socket, unreadable: &[u32]) -> io::Result<HiddenSocket> {
        // It may only just be closing; and to look at every thread takes time.
        if !self.unheld.insert(socket.id) {
            let candidates = self.waiting(socket.protocol)?;
            if !candidates.is_empty() {
                return Ok(HiddenSocket {
                    socket,
                    cause: HiddenCause::Closed,
                    candidates,
                });
            }
        }
        let cause = if unreadable.is_empty() {
            HiddenCause::Elsewhere
        } else {
            HiddenCause::Unreadable
        };
        Ok(HiddenSocket {
            candidates: self.candidates(&socket, unreadable)?,
            socket,
            cause,
        })
    }

    /// Those who may keep a socket without a descriptor for it, as a thread of theirs waits on one that is closed.
    fn waiting(&mut self, protocol: Protocol) -> io::Result<Vec<Process>> {
        if let Some(known) = self.guesses.waiting.get(&protocol) {
            return Ok(known.clone());
        }
        let mut ids = Vec::new();
        for pid in sys::waiting_on_closed(protocol) {
            ids.extend(self.people.pass(pid)?);
        }
        self.people.describe_all(&ids)?;
        let processes = ids.iter().map(|&id| &self.people.crowd[id].process);
        let processes: Vec<Process> = processes.cloned().collect();
        self.guesses.waiting.insert(protocol, processes.clone());
        Ok(processes)
    }

    /// The processes of the socket's user that can't be read, if they are so few that naming them helps.
    fn candidates(&mut self, socket: &Socket, unreadable: &[u32]) -> io::Result<Vec<Process>> {
        if let Some(known) = self.guesses.by_user.get(&socket.uid) {
            return Ok(known.clone());
        }
        let few = self.few_of(socket.uid, unreadable)?;
        self.guesses.by_user.insert(socket.uid, few.clone());
        Ok(few)
    }

    fn few_of(&mut self, user: Option<u32>, unreadable: &[u32]) -> io::Result<Vec<Process>> {
        const FEW: usize = 3;
        let mut few = Vec::new();
        // Many at a time cost one wait where they keep something back, and all of them would be too many.
        for unreadable in unreadable.chunks(16) {
            let mut ids = Vec::new();
            for &pid in unreadable {
                ids.extend(self.people.pass(pid)?);
            }
            ids.retain(|&id| !self.people.crowd[id].is_kernel);
            self.people.describe_all(&ids)?;
            let processes = ids.iter().map(|&id| &self.people.crowd[id].process);
            let own = processes.filter(|process| user.is_some() && process.uid == user);
            few.extend(own.cloned());
            if few.len() > FEW {
                return Ok(Vec::new());
            }
        }
        Ok(few)
    }

    /// Adds who uses the ports of these targets without listening, with one look for all.
    pub(crate) fn look_at_uses(
        &mut self,
        targets: &[Target],
        sights: Vec<&mut Sight>,
    ) -> io::Result<()> {
        let connections = self.connections(targets)?;
        let scan = self.scan(owned(&connections).collect(), Depth::Complete)?;
        let mut ends = self.ends(&connections)?;
        for (sight, connections) in sights.into_iter().zip(connections) {
            sight.uses = uses_in(&scan, &mut ends, connections);
        }
        Ok(())
    }

    /// Whether nothing at all uses the target over TCP, which one bind tells on Linux: without `SO_REUSEADDR`, every socket of the port is in
    /// its way, be it listening, connected, over, or bound and no more. (Those in another VRF are not, nor are they in anybody's way here.)
    /// It is in the way of others as well, so it is not for a port at which somebody was just ended, and the next server may be starting.
    pub(crate) fn is_clear(&self, target: Target) -> bool {
        cfg!(target_os = "linux")
            && target.protocol() != Some(Protocol::Udp)
            && bind_plainly(target) == Some(true)
    }

    /// Tries to bind the target as servers do it, and adds what the kernel said: the last thing of a look, for a target that nobody holds. UDP
    /// is only tried where it matters: a datagram that comes in between goes astray.
    pub(crate) fn bind(&mut self, target: Target, udp: bool, sight: &mut Sight) -> io::Result<()> {
        let mut refusals = Vec::new();
        for protocol in target.protocols() {
            let is_told = match protocol {
                Protocol::Tcp => sight.clear,
                Protocol::Udp => !udp,
            };
            if is_told {
                continue;
            }
            for socket in addresses(target)? {
                let answer = sys::bind(protocol, socket, as_servers_do(protocol))?;
                if answer == Bind::InUse {
                    let address = socket.into();
                    refusals.push(Refusal { protocol, address });
                }
                // One that takes both families has tried both.
                if answer == Bind::Done && TAKES_BOTH && is_ipv6_wildcard(socket.ip()) {
                    break;
                }
            }
        }
        if !refusals.is_empty() {
            self.add_unlisted(target, sight)?;
        }
        sight.refusals = Some(refusals);
        Ok(())
    }

    /// Adds sockets that are bound without listening where the system does not list them: each socket of a process can still be asked.
    pub(crate) fn add_unlisted(&mut self, target: Target, sight: &mut Sight) -> io::Result<()> {
        let mut unlisted = Vec::new();
        self.table.bound_unlisted(target.port(), &mut unlisted)?;
        unlisted.retain(|socket| socket.blocks(target));
        sight.sockets.extend(unlisted);
        Ok(())
    }

    /// Signs that somebody serves there, one server after the other: connections that have just been closed keep a bind without
    /// `SO_REUSEADDR` from succeeding.
    pub(crate) fn life(&mut self, target: Target) -> io::Result<Life> {
        if target.protocol() == Some(Protocol::Udp) || cfg!(windows) {
            return Ok(Life::default());
        }
        if bind_plainly(target) != Some(false) {
            return Ok(Life::default());
        }
        let connections = self.connections(&[target])?;
        Ok(signs_in(connections.iter().flatten()))
    }

    /// The same for many targets, by one question about all connections.
    pub(crate) fn lives(&mut self, targets: &[Target]) -> io::Result<HashMap<Target, Life>> {
        let connections = self.connections(targets)?;
        let lives = connections.iter().map(|there| signs_in(there.iter()));
        Ok(targets.iter().copied().zip(lives).collect())
    }

    /// The connections of each target, by one question for all.
    fn connections(&mut self, targets: &[Target]) -> io::Result<Vec<Vec<Connection>>> {
        let mut connections = Vec::new();
        self.table
            .connections(Ports::These(&ports(targets)), &mut connections)?;
        let mut by_port: HashMap<u16, Vec<Connection>> = HashMap::new();
        for connection in connections {
            let port = connection.local.port();
            by_port.entry(port).or_default().push(connection);
        }
        let of = |target: &Target| {
            let there = by_port.get(&target.port()).into_iter().flatten();
            let is_its = |connection: &&Connection| {
                let protocol = target.protocol().unwrap_or(connection.protocol);
                protocol == connection.protocol && target.covers(connection.local)
            };
            let mut own: Vec<Connection> = there.filter(is_its).cloned().collect();
            own.sort_by_key(|connection| (connection.protocol, connection.state));
            own
        };
        Ok(targets.iter().map(of).collect())
    }

    /// What tells the ends of these connections apart.
    fn ends(&mut self, of: &[Vec<Connection>]) -> io::Result<Ends> {
        let mut listening = Vec::new();
        if of.iter().any(|connections| !connections.is_empty()) {
            self.table.listening(Ports::All, &mut listening)?;
        }
        Ok(Ends::new(listening))
    }

    /// A complete look at some targets, with one scan of the processes for all. It is repeated while a socket has no holder and may just
    /// have lost its last one, or a bind is refused and nothing is seen that is in its way.
    pub(crate) fn complete(
        &mut self,
        targets: &[Target],
        extent: Extent,
    ) -> io::Result<Vec<Sight>> {
        let mut before: (HashSet<SocketId>, HashSet<Target>) = Default::default();
        let mut looks = 0;
        loop {
            let sights = self.complete_once(targets, extent)?;
            looks += 1;
            let doubtful: HashSet<SocketId> = sights
                .iter()
                .flat_map(|sight| {
                    let unheld = sight.found.iter().flat_map(|found| &found.unheld);
                    let unheld = unheld.map(|hidden| &hidden.socket);
                    // Another program may bind a port for a moment only, to see whether it can.
                    let bound = sight.sockets.iter();
                    unheld.chain(bound.filter(|socket| socket.state == SocketState::Bound))
                })
                .map(|socket| socket.id)
                .collect();
            // Such a bind may be over, too, before it can be seen.
            let refused: HashSet<Target> = targets
                .iter()
                .zip(&sights)
                .filter(|(_, sight)| sight.is_refused_by_nobody())
                .map(|(&target, _)| target)
                .collect();
            // Those that were in doubt at the last look have been given their time.
            let has_settled = doubtful.is_subset(&before.0) && refused.is_subset(&before.1);
            if has_settled || looks > LOOKS {
                return Ok(sights);
            }
            before = (doubtful, refused);
            std::thread::sleep(LINGER);
        }
    }

    fn complete_once(&mut self, targets: &[Target], extent: Extent) -> io::Result<Vec<Sight>> {
        self.people.begin_look();
        let listening = self.listening_surely(targets)?;
        let bound = self.bound(targets)?;
        let mut sights: Vec<Sight> = Vec::new();
        for ((&target, mut sockets), bound) in targets.iter().zip(listening).zip(bound) {
            sockets.extend(bound);
            let mut sight = Sight {
                sockets,
                whole: true,
                ..Sight::default()
            };
            if extent != Extent::Sockets && sight.sockets.is_empty() && target.port() != 0 {
                let udp = target.protocol() == Some(Protocol::Udp);
                self.bind(target, udp, &mut sight)?;
            }
            sights.push(sight);
        }
        let is_asked = |sight: &Sight| sight.is_refused() || extent == Extent::Uses;
        let asked = targets.iter().zip(&sights);
        let asked: Vec<Target> = asked
            .filter(|(_, sight)| is_asked(sight))
            .map(|(&target, _)| target)
            .collect();
        let connections = self.connections(&asked)?;
        let sockets = sights.iter().flat_map(|sight| &sight.sockets);
        let mut ids: Vec<SocketId> = sockets.map(|socket| socket.id).collect();
        ids.extend(owned(&connections));
        let scan = self.scan(ids, Depth::Complete)?;
        for sight in &mut sights {
            if !sight.sockets.is_empty() {
                sight.found = Some(self.found_in(&scan, &sight.sockets)?);
            }
        }
        let mut ends = self.ends(&connections)?;
        let asked = sights.iter_mut().filter(|sight| is_asked(sight));
        for (sight, connections) in asked.zip(connections) {
            sight.uses = uses_in(&scan, &mut ends, connections);
        }
        Ok(sights)
    }

    /// Every listening socket of this network namespace and who holds it.
    pub(crate) fn everything(&mut self) -> io::Result<Sight> {
        self.people.begin_look();
        let mut sockets = Vec::new();
        self.table.listening(Ports::All, &mut sockets)?;
        self.table.bound(Ports::All, &mut sockets)?;
        let ids = sockets.iter().map(|socket| socket.id).collect();
        let scan = self.scan(ids, Depth::Complete)?;
        let found = self.found_in(&scan, &sockets)?;
        Ok(Sight {
            sockets,
            whole: true,
            found: Some(found),
            ..Sight::default()
        })
    }

    /// Who holds ports below each of these processes, or is one of them and does so itself, beside those who are `ended` with what they hold,
    /// and beside whoever has just come in their place. Whoever descends from one who is ended depends on that one. Those who are `kept` hold
    /// one of the targets, and go on.
    pub(crate) fn others_below(
        &mut self,
        above: &HashSet<Id>,
        ended: &HashSet<Id>,
        kept: &HashSet<Id>,
        targets: &[Target],
    ) -> io::Result<HashMap<Id, Vec<Holder>>> {
        let ephemeral = sys::ephemeral_ports();
        let is_client =
            |socket: &Socket| socket.protocol == Protocol::Udp && ephemeral.contains(&socket.port);
        let mut by_port: HashMap<u16, Vec<Target>> = HashMap::new();
        for &target in targets {
            by_port.entry(target.port()).or_default().push(target);
        }
        let is_targets = |socket: &Socket| {
            let mut on_port = by_port.get(&socket.port).into_iter().flatten();
            on_port.any(|&target| socket.blocks(target))
        };
        let sight = self.everything()?;
        let found = sight.found.unwrap_or_default();
        let mut holders = found.held;
        for (id, sockets) in &mut holders {
            let is_kept = kept.contains(id);
            sockets.retain(|socket| !is_client(socket) && (is_kept || !is_targets(socket)));
        }
        holders.retain(|(_, sockets)| !sockets.is_empty());
        let mut nowhere: Vec<Holder> = Vec::new();
        // Somebody who can't be looked at may hold what nobody is seen to hold.
        if !found.unheld.is_empty() {
            for &pid in found.unreadable.iter() {
                if let Some(handle) = sys::Handle::open(pid)? {
                    holders.push((self.people.place(handle)?, Vec::new()));
                } else if sys::keeps_back(pid) {
                    nowhere.push(Holder {
                        process: Process::unknown(pid),
                        sockets: Vec::new(),
                    });
                }
            }
        }
        let mut others: HashMap<Id, Vec<Holder>> = HashMap::new();
        if !nowhere.is_empty() {
            // They may be below anybody.
            others.extend(above.iter().map(|&above| (above, nowhere.clone())));
        }
        for (id, sockets) in holders {
            let facts = &self.people.crowd[id];
            let line = || std::iter::once(&id).chain(&facts.ancestors);
            if line().any(|id| ended.contains(id)) {
                continue;
            }
            for &above in line().filter(|id| above.contains(id)) {
                others.entry(above).or_default().push(Holder {
                    process: facts.process.clone(),
                    sockets: sockets.clone(),
                });
            }
        }
        Ok(others)
    }

    /// Who holds these ports in other network namespaces, where that can be seen. Nothing there is in the way of a bind here.
    pub(crate) fn elsewhere(&mut self, ports: &HashSet<u16>) -> io::Result<Vec<Holder>> {
        self.people.begin_look();
        let sockets = sys::surroundings::listening_elsewhere(ports)?;
        let ids = sockets.iter().map(|socket| socket.id).collect();
        let scan = self.scan(ids, Depth::Complete)?;
        let found = self.found_in(&scan, &sockets)?;
        let held = found.held.into_iter();
        Ok(held
            .map(|(id, sockets)| Holder {
                process: self.people.crowd[id].process.clone(),
                sockets,
            })
            .collect())
    }

    /// What a sight says, for those who asked for it.
    pub(crate) fn survey(&self, sight: Sight) -> Survey {
        let order = |socket: &Socket| (socket.port, socket.protocol, socket.address, socket.id);
        let mut sockets = sight.sockets;
        sockets.sort_by_key(order);
        let found = sight.found.unwrap_or_default();
        let mut holders: Vec<Holder> = found
            .held
            .into_iter()
            .map(|(id, sockets)| Holder {
                process: self.people.crowd[id].process.clone(),
                sockets,
            })
            .collect();
        for holder in &mut holders {
            holder.sockets.sort_by_key(order);
        }
        holders.sort_by_key(|holder| holder.process.pid);
        let mut hidden = found.unheld;
        hidden.sort_by_key(|hidden| order(&hidden.socket));
        Survey {
            sockets,
            holders,
            hidden,
        }
    }
}

/// A connection that has come to its end is kept for a time that is known, so that what remains of it tells how long ago that was.
fn signs_in<'c>(connections: impl Iterator<Item = &'c Connection>) -> Life {
    let mut life = Life::default();
    for connection in connections.filter(|connection| connection.protocol == Protocol::Tcp) {
        match connection.remaining {
            None if connection.state == ConnectionState::Closed => {}
            None => life.is_connected = true,
            Some(remaining) => {
                let ago = TIME_WAIT.saturating_sub(remaining);
                life.closed = Some(life.closed.map_or(ago, |other| other.min(ago)));
            }
        }
    }
    life
}

/// What one scan of the processes found.
#[derive(Default)]
struct Scan {
    owners: HashMap<SocketId, Vec<Id>>,
    /// Sorted.
    unreadable: Rc<[u32]>,
    present: Rc<[u32]>,
}

fn uses_in(scan: &Scan, ends: &mut Ends, connections: Vec<Connection>) -> Vec<Use> {
    connections
        .into_iter()
        .map(|connection| Use {
            owners: scan.owners.get(&connection.id).cloned().unwrap_or_default(),
            is_clients_end: ends.is_clients(&connection),
            connection,
        })
        .collect()
}

/// The sockets of those connections that a process has.
fn owned(connections: &[Vec<Connection>]) -> impl Iterator<Item = SocketId> {
    let owned = connections
        .iter()
        .flatten()
        .filter(|connection| !connection.is_orphaned());
    owned.map(|connection| connection.id)
}

fn ports(targets: &[Target]) -> Vec<(u16, Option<Protocol>)> {
    targets
        .iter()
        .map(|target| (target.port(), target.protocol()))
        .collect()
}

/// The sockets that stand in the way of each target.
fn by_target(targets: &[Target], sockets: Vec<Socket>) -> Vec<Vec<Socket>> {
    let mut by_port: HashMap<u16, Vec<Socket>> = HashMap::new();
    for socket in sockets {
        by_port.entry(socket.port).or_default().push(socket);
    }
    targets
        .iter()
        .map(|&target| {
            let on_port = by_port.get(&target.port()).map(Vec::as_slice);
            let blocking = on_port.unwrap_or_default().iter();
            blocking
                .filter(|socket| socket.blocks(target))
                .cloned()
                .collect()
        })
        .collect()
}

/// What servers bind for this target: its own addresses, or the wildcards. A link-local one without an interface is meant on each that has it.
pub(crate) fn addresses(target: Target) -> io::Result<Vec<SocketAddr>> {
    let ips: Vec<IpAddr> = match target.address() {
        Some(address) => address.ips().collect(),
        None => vec![
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ],
    };
    let mut addresses = Vec::new();
    for ip in ips {
        let mut interfaces = match ip {
            IpAddr::V6(ip) if needs_interface(ip) && target.interface() == 0 => {
                sys::interfaces_with(ip)?
            }
            _ => Vec::new(),
        };
        if interfaces.is_empty() {
            interfaces.push(target.interface());
        }
        let address = SocketAddr::new(ip, target.port());
        let on_each = interfaces.into_iter();
        addresses.extend(on_each.map(|interface| on_interface(address, interface)));
    }
    Ok(addresses)
}

/// Whether the target can be bound over TCP without `SO_REUSEADDR`; `None` where the kernel does not let that be known. Bound like this,
/// the port is in the way of everybody, so one bind has to do where one takes both families.
fn bind_plainly(target: Target) -> Option<bool> {
    let plainly = Manner {
        reuse_address: false,
        dual_stack: true,
    };
    let mut is_told = true;
    for socket in addresses(target).ok()? {
        match sys::bind(Protocol::Tcp, socket, plainly) {
            Ok(Bind::Done) if TAKES_BOTH && is_ipv6_wildcard(socket.ip()) => {
                return is_told.then_some(true);
            }
            Ok(Bind::Done) => {}
            Ok(Bind::InUse) => return Some(false),
            Ok(Bind::Untold) | Err(_) => is_told = false,
        }
    }
    is_told.then_some(true)
}

/// TCP with `SO_REUSEADDR` on Unix, where connections that are over don't matter to it, and exclusively on Windows. UDP without: with it,
/// two sockets could share the port.
fn as_servers_do(protocol: Protocol) -> Manner {
    Manner {
        reuse_address: cfg!(unix) && protocol == Protocol::Tcp,
        dual_stack: true,
    }
}

/// Whether a bind of `[::]` that takes both families is refused wherever one of `0.0.0.0` would be: Linux compares it with every socket
/// of the port.
const TAKES_BOTH: bool = cfg!(target_os = "linux");

fn is_ipv6_wildcard(address: IpAddr) -> bool {
    address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}
