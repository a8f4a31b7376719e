//! The loop without processes: a table of snapshots in, actions out.

#[cfg(target_os = "linux")]
mod counts;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;

use super::conduct::Conduct;
use super::decide::{Action, Round, aftermath, decide, is_bound_for_long, wants_holders};
#[cfg(feature = "containers")]
use super::engines::Desk;
use super::job::Open;
use super::unseen::add_unreadable;
use crate::connection::{Connection, ConnectionState};
use crate::discovery::tests::{facts, socket};
use crate::discovery::{Crowd, Found, Id, Refusal, Sight, Use};
use crate::error::Obstacle;
use crate::filtration::Rules;
use crate::options::KillOptions;
use crate::protocol::Protocol;
use crate::signal::Signal;
use crate::socket::{HiddenCause, HiddenSocket, Socket, SocketState};
use crate::sys::Mark;
use crate::target::Target;
use crate::verification::Need;

/// A world of numbers, in which decisions are carried out.
struct World {
    options: KillOptions,
    rules: Rules,
    crowd: Crowd,
    conduct: Conduct,
    open: Open,
    at: Instant,
    gone: HashSet<Id>,
    exiting: HashSet<Id>,
    /// Who was sent what, in order.
    sent: Vec<(Id, Signal)>,
    end: Option<Result<(), Vec<&'static str>>>,
    #[cfg(feature = "containers")]
    desk: Desk,
}

/// What the kernel would say at one moment.
#[derive(Debug, Clone, Default)]
struct State {
    /// Sockets with their holders, by place in the crowd.
    held: Vec<(u64, SocketState, Vec<Id>)>,
    /// A socket for which no holder is found.
    unheld: Option<u64>,
    /// The PIDs of those who can't be looked at, sorted.
    unreadable: Vec<u32>,
    is_refused: bool,
    uses: Vec<(ConnectionState, Option<Id>)>,
    closed: Option<Duration>,
    exits: Vec<Id>,
    /// Who made the sockets.
    uid: Option<u32>,
}

impl World {
    fn new(options: KillOptions) -> Self {
        let mut crowd = Crowd::default();
        let caller = crowd.add(facts(50));
        let at = Instant::now();
        Self {
            rules: Rules {
                caller: Some(caller),
                ..Rules::of(&options)
            },
            #[cfg(feature = "containers")]
            desk: Desk::new(&options),
            options,
            crowd,
            conduct: Conduct::default(),
            open: Open::new(Target::new(3000), at),
            at,
            gone: HashSet::new(),
            exiting: HashSet::new(),
            sent: Vec::new(),
            end: None,
        }
    }

    /// One that was forked off another, as a server's worker is.
    fn fork(&mut self, pid: u32) -> Id {
        let mut fork = facts(pid);
        fork.place.arguments = 7;
        self.crowd.add(fork)
    }

    fn process(&mut self, pid: u32) -> Id {
        self.crowd.add(facts(pid))
    }

    /// One whom the caller may not end.
    fn denied(&mut self, pid: u32) -> Id {
        let mut denied = facts(pid);
        denied.may_signal = false;
        self.crowd.add(denied)
    }

    /// One round, as `Work` does it: cheap sockets first, and the rest as it is wanted.
    fn round(&mut self, state: &State, later: Duration) {
        if self.end.is_some() {
            return;
        }
        self.at += later;
        for &id in &state.exits {
            if self.conduct.is_pending(id) {
                self.conduct.note_end(id, self.at);
            }
            self.gone.insert(id);
        }
        let lives = |id: &Id| !self.gone.contains(id);
        let sockets: Vec<(Socket, Vec<Id>)> = state
            .held
            .iter()
            .map(|(id, kind, holders)| {
                let mut socket = socket(*id, Protocol::Tcp, "127.0.0.1");
                socket.state = *kind;
                socket.uid = state.uid;
                (socket, holders.iter().copied().filter(lives).collect())
            })
            .filter(|(_, holders): &(Socket, Vec<Id>)| !holders.is_empty())
            .collect();
        let (bound, listening): (Vec<_>, Vec<_>) = sockets
            .iter()
            .cloned()
            .partition(|(socket, _)| socket.state == SocketState::Bound);
        let round = Round {
            at: self.at,
            options: &self.options,
            rules: &self.rules,
            crowd: &self.crowd,
            conduct: &self.conduct,
            gone: &self.gone,
            exiting: &self.exiting,
            #[cfg(feature = "containers")]
            engines: self.desk.view(),
        };
        let unheld = state
            .unheld
            .map(|id| socket(id, Protocol::Tcp, "127.0.0.1"));
        let mut sight = Sight {
            sockets: listening.iter().map(|(socket, _)| socket.clone()).collect(),
            ..Sight::default()
        };
        sight.sockets.extend(unheld.clone());
        if sight.sockets.is_empty()
            && aftermath(&self.open, &sight, &round).needs() == Need::Newcomers
        {
            sight.newcomers = Some(Vec::new());
        }
        let is_proof =
            |open: &Open, sight: &Sight| aftermath(open, sight, &round).needs() == Need::Proof;
        let asks_whole = if sight.sockets.is_empty() {
            self.open.free_since.is_none()
                || !self.open.bound_before.is_empty()
                || is_proof(&self.open, &sight)
        } else {
            wants_holders(&self.open, &sight.sockets, &round)
        };
        if asks_whole {
            sight
                .sockets
                .extend(bound.iter().map(|(socket, _)| socket.clone()));
            sight.whole = true;
        }
        let is_confirmed = is_bound_for_long(&self.open, &sight.sockets, self.at);
        if !sight.sockets.is_empty()
            && sight.whole
            && is_confirmed
            && wants_holders(&self.open, &sight.sockets, &round)
        {
            let mut found = Found {
                unheld: Vec::from_iter(unheld.map(|socket| HiddenSocket {
                    socket,
                    cause: HiddenCause::Elsewhere,
                    candidates: Vec::new(),
                })),
                unreadable: state.unreadable.as_slice().into(),
                ..Found::default()
            };
            for (socket, holders) in &sockets {
                for &id in holders {
                    match found.held.iter_mut().find(|(known, _)| *known == id) {
                        Some((_, own)) => own.push(socket.clone()),
                        None => found.held.push((id, vec![socket.clone()])),
                    }
                }
            }
            add_unreadable(&self.open, &self.conduct, &self.crowd, &mut found);
            sight.found = Some(found);
        }
        if sight.whole && sight.sockets.is_empty() && is_proof(&self.open, &sight) {
            let refusal = Refusal {
                protocol: Protocol::Tcp,
                address: IpAddr::from(Ipv4Addr::UNSPECIFIED).into(),
            };
            sight.refusals = Some(if state.is_refused {
                vec![refusal]
            } else {
                Vec::new()
            });
            if !self.open.has_told(&self.conduct) && self.open.asks_for_life(self.at) {
                sight.life.closed = state.closed;
            }
            let uses = state
                .uses
                .iter()
                .filter(|(_, owner)| owner.is_none_or(|id| lives(&id)));
            sight.uses = uses.map(|(kind, owner)| used(*kind, *owner)).collect();
        }
        let actions = decide(&mut self.open, &sight, &round);
        self.carry_out(actions, &sight);
    }

    fn carry_out(&mut self, actions: Vec<Action>, sight: &Sight) {
        for action in actions {
            match action {
                Action::Signal(permit, signal) => {
                    if self.conduct.is_new(permit.id(), signal) {
                        self.conduct.note_sent(permit.id(), signal, self.at);
                        self.sent.push((permit.id(), signal));
                    }
                }
                Action::Free => {
                    assert!(
                        sight.whole && sight.sockets.is_empty(),
                        "free without proof"
                    );
                    let refusals = sight.refusals.as_ref().expect("a bind was tried");
                    assert!(refusals.is_empty(), "free though the bind was refused");
                    self.end = Some(Ok(()));
                }
                Action::GiveUp(obstacles) => {
                    assert!(!obstacles.is_empty(), "given up for no reason");
                    self.end = Some(Err(obstacles.iter().map(Obstacle::kind).collect()));
                }
                Action::Try(_) => {}
                #[cfg(feature = "containers")]
                Action::Ask | Action::Stop(_) => {}
            }
        }
    }
}

fn used(state: ConnectionState, owner: Option<Id>) -> Use {
    Use {
        connection: Connection {
            protocol: Protocol::Tcp,
            local: "127.0.0.1:3000".parse().unwrap(),
            remote: "127.0.0.1:40000".parse().unwrap(),
            state,
            uid: None,
            remaining: None,
            id: u64::from(owner.is_some()),
        },
        owners: owner.into_iter().collect(),
        is_clients_end: false,
    }
}

const MS: Duration = Duration::from_millis(1);

fn listening(holders: &[Id]) -> State {
    State {
        held: vec![(1, SocketState::Listen, holders.to_vec())],
        ..State::default()
    }
}

#[test]
fn a_holder_is_asked_to_end_and_a_bind_proves_the_port_free() {
    let mut world = World::new(KillOptions::new());
    let server = world.process(60);
    world.round(&listening(&[server]), MS);
    assert_eq!(world.sent, [(server, Signal::Term)]);
    world.round(
        &State {
            exits: vec![server],
            ..State::default()
        },
        MS,
    );
    assert_eq!(world.end, Some(Ok(())));
}

/// The server has ended, and its worker keeps a connection of it, so that the port can't be bound.
fn leftover(server: Id, worker: Id) -> State {
    State {
        is_refused: true,
        uses: vec![(ConnectionState::CloseWait, Some(worker))],
        exits: vec![server],
        ..State::default()
    }
}

#[test]
fn a_leftover_of_an_ended_server_is_ended_if_the_port_can_not_be_bound_without_that() {
    let mut world = World::new(KillOptions::new());
    let (server, worker) = (world.fork(60), world.fork(61));
    world.round(&listening(&[server]), MS);
    let left = leftover(server, worker);
    world.round(&left, MS);
    assert_eq!(world.sent, [(server, Signal::Term), (worker, Signal::Term)]);
    world.round(
        &State {
            exits: vec![worker],
            ..State::default()
        },
        MS,
    );
    assert_eq!(world.end, Some(Ok(())));
}

#[test]
fn a_leftover_that_has_given_up_its_connection_is_not_killed_for_what_the_kernel_keeps() {
    let mut world = World::new(KillOptions::new());
    let (server, worker) = (world.fork(60), world.fork(61));
    world.round(&listening(&[server]), MS);
    world.round(&leftover(server, worker), MS);
    let told = [(server, Signal::Term), (worker, Signal::Term)];
    assert_eq!(world.sent, told);
    let kept = State {
        is_refused: true,
        uses: vec![(ConnectionState::FinWait2, None)],
        ..State::default()
    };
    for _ in 0..20 {
        world.round(&kept, Duration::from_secs(1));
    }
    assert_eq!(world.sent, told);
    assert!(matches!(world.end, Some(Err(_))), "{:?}", world.end);
}

#[test]
fn a_leftover_that_has_just_closed_its_connection_is_given_as_long_to_be_gone_as_a_holder() {
    let mut world = World::new(KillOptions::new());
    let (server, worker) = (world.fork(60), world.fork(61));
    world.round(&listening(&[server]), MS);
    let left = leftover(server, worker);
    world.round(&left, MS);
    world.round(&left, Duration::from_secs(1));
    // It may be on its way out, or go on: nothing tells yet.
    world.round(&State::default(), MS);
    assert_eq!(world.end, None);
    let gone = State {
        exits: vec![worker],
        ..State::default()
    };
    world.round(&gone, MS);
    assert_eq!(world.end, Some(Ok(())));
}

#[test]
fn a_stranger_with_the_port_as_its_own_local_port_is_no_leftover_of_an_ended_server() {
    let mut world = World::new(KillOptions::new());
    let (server, stranger) = (world.fork(60), world.process(61));
    world.round(&listening(&[server]), MS);
    let left = State {
        is_refused: true,
        uses: vec![(ConnectionState::Established, Some(stranger))],
        exits: vec![server],
        ..State::default()
    };
    world.round(&left, MS);
    assert_eq!(world.sent, [(server, Signal::Term)]);
    assert_eq!(world.end, Some(Err(vec!["client"])));
}

#[test]
fn where_no_server_was_ended_whoever_uses_the_port_is_named_and_left_alone() {
    let used = |worker| State {
        is_refused: true,
        uses: vec![(ConnectionState::Established, Some(worker))],
        ..State::default()
    };
    let mut world = World::new(KillOptions::new());
    let worker = world.process(61);
    world.round(&used(worker), MS);
    assert_eq!(world.end, Some(Err(vec!["client"])));
    assert!(world.sent.is_empty());
    let options = KillOptions::new().include(crate::include::Include::Clients);
    let mut world = World::new(options);
    let worker = world.process(61);
    world.round(&used(worker), MS);
    assert_eq!(world.sent, [(worker, Signal::Term)]);
}

#[test]
fn what_the_kernel_alone_keeps_is_waited_for_and_then_named() {
    let mut world = World::new(KillOptions::new());
    let kept = State {
        is_refused: true,
        uses: vec![(ConnectionState::TimeWait, None)],
        ..State::default()
    };
    world.round(&kept, MS);
    assert_eq!(world.end, None);
    world.round(&kept, Duration::from_secs(2));
    assert_eq!(world.end, Some(Err(vec!["lingering"])));
    let mut world = World::new(KillOptions::new());
    let unseen = State {
        is_refused: true,
        ..State::default()
    };
    world.round(&unseen, MS);
    assert_eq!(world.end, None, "another program may try a bind just now");
    world.round(&unseen, Duration::from_millis(60));
    assert_eq!(world.end, Some(Err(vec!["unbindable"])));
}

#[test]
fn who_may_not_be_ended_and_is_on_the_way_out_is_waited_for_and_then_named() {
    type Hold = fn(Id) -> State;
    let holds: Hold = |id| listening(&[id]);
    let uses: Hold = |id| State {
        is_refused: true,
        uses: vec![(ConnectionState::Established, Some(id))],
        ..State::default()
    };
    for (hold, kind) in [(holds, "not_permitted"), (uses, "client")] {
        let world = |is_exiting: bool| {
            let mut world = World::new(KillOptions::new());
            let id = match kind {
                "client" => world.process(60),
                _ => world.denied(60),
            };
            world.exiting.extend(is_exiting.then_some(id));
            world.round(&hold(id), MS);
            (world, id)
        };
        let (alive, _) = world(false);
        assert_eq!(alive.end, Some(Err(vec![kind])));
        let (mut leaving, id) = world(true);
        assert_eq!(leaving.end, None, "{kind}");
        let gone = State {
            exits: vec![id],
            ..State::default()
        };
        leaving.round(&gone, MS);
        assert_eq!(leaving.end, Some(Ok(())), "{kind}");
        let (mut stuck, id) = world(true);
        stuck.round(&hold(id), Duration::from_secs(2));
        assert_eq!(stuck.end, Some(Err(vec![kind])));
        assert!(leaving.sent.is_empty() && stuck.sent.is_empty());
    }
}

#[test]
fn one_that_is_gone_has_no_socket_from_somebody_unseen() {
    let held = |is_exiting: bool| {
        let mut world = World::new(KillOptions::new());
        let mut gone = facts(60);
        gone.unseen_parent = Some(7);
        let id = world.crowd.add(gone);
        world.exiting.extend(is_exiting.then_some(id));
        let state = State {
            uid: Some(1000),
            ..listening(&[id])
        };
        world.round(&state, MS);
        world.end
    };
    assert_eq!(held(false), Some(Err(vec!["hidden"])));
    assert_eq!(held(true), None);
}

#[test]
fn beside_one_who_is_on_the_way_out_nobody_is_signalled_before_it_is_gone() {
    let mut world = World::new(KillOptions::new());
    let (leaving, server) = (world.denied(60), world.process(61));
    world.exiting.insert(leaving);
    world.round(&listening(&[leaving, server]), MS);
    assert_eq!((world.sent.as_slice(), &world.end), (&[][..], &None));
}

#[test]
fn a_socket_that_is_bound_for_a_moment_only_holds_nothing() {
    let mut world = World::new(KillOptions::new());
    let prober = world.process(60);
    let bound = State {
        held: vec![(1, SocketState::Bound, vec![prober])],
        ..State::default()
    };
    world.round(&bound, MS);
    assert!(world.sent.is_empty());
    world.round(&State::default(), MS);
    assert_eq!(world.end, Some(Ok(())));
    // One that is still there a moment later does.
    let mut world = World::new(KillOptions::new());
    let prober = world.process(60);
    world.round(&bound, MS);
    world.round(&bound, MS);
    assert_eq!(world.sent, [(prober, Signal::Term)]);
}

#[test]
fn a_port_with_signs_of_life_is_watched_before_it_is_called_free() {
    let mut world = World::new(KillOptions::new());
    let lively = State {
        closed: Some(MS),
        ..State::default()
    };
    world.round(&lively, MS);
    world.round(&lively, Duration::from_millis(100));
    assert_eq!(world.end, None);
    let server = world.process(60);
    world.round(&listening(&[server]), MS);
    assert_eq!(world.sent, [(server, Signal::Term)]);
    let mut world = World::new(KillOptions::new());
    world.round(&lively, MS);
    world.round(&lively, Duration::from_millis(300));
    assert_eq!(world.end, None, "there are new signs");
    world.round(&State::default(), Duration::from_millis(300));
    assert_eq!(world.end, Some(Ok(())));
}

#[test]
fn a_port_with_new_signs_of_life_all_the_time_is_not_free_though_nobody_is_ever_met() {
    let lively = State {
        closed: Some(MS),
        ..State::default()
    };
    for has_seen_one in [false, true] {
        let mut world = World::new(KillOptions::new());
        if has_seen_one {
            world.open.seen.insert(77);
        }
        for _ in 0..12 {
            world.round(&lively, Duration::from_millis(260));
            assert_eq!(world.end, None);
        }
        world.round(&lively, Duration::from_millis(260));
        // Without one, the connections may be those of a server that is gone.
        let end = has_seen_one.then(|| Err(vec!["fleeting"]));
        assert_eq!(world.end, Some(end.unwrap_or(Ok(()))));
    }
}

#[test]
fn one_that_opens_its_port_anew_again_and_again_is_no_new_generation_and_meets_sigkill() {
    let mut world = World::new(KillOptions::new().grace(Duration::from_secs(1)));
    let server = world.process(60);
    for number in 0..60 {
        let state = if number % 2 == 0 {
            State {
                held: vec![(number, SocketState::Listen, vec![server])],
                ..State::default()
            }
        } else {
            State::default()
        };
        world.round(&state, Duration::from_millis(25));
    }
    assert_eq!(world.sent, [(server, Signal::Term), (server, Signal::Kill)]);
    assert_eq!(world.open.generations, 0);
}

#[test]
fn a_respawn_that_only_binds_is_a_generation_and_is_named() {
    let mut world = World::new(KillOptions::new());
    let mut exits = Vec::new();
    for number in 0..4 {
        let server = world.process(60 + number);
        let state = State {
            held: vec![(u64::from(number) + 1, SocketState::Bound, vec![server])],
            exits: std::mem::take(&mut exits),
            ..State::default()
        };
        // The first time it may be there for a moment only.
        world.round(&state, MS);
        world.round(&state, MS);
        exits.push(server);
    }
    assert_eq!(world.end, Some(Err(vec!["respawned"])));
    assert_eq!(world.sent.len(), 3);
}

#[test]
fn who_is_there_when_time_is_up_is_named_though_all_who_were_told_have_ended() {
    let mut world = World::new(KillOptions::new().grace(MS * 50).escalate(false));
    let (first, second) = (world.process(60), world.process(61));
    world.round(&listening(&[first]), MS);
    let next = State {
        held: vec![(2, SocketState::Listen, vec![second])],
        exits: vec![first],
        ..State::default()
    };
    world.round(&next, MS * 60);
    assert_eq!(world.end, Some(Err(vec!["respawned"])));
}

#[test]
fn whoever_is_there_when_time_is_up_is_looked_at_before_it_is_given_up() {
    let mut world = World::new(KillOptions::new().grace(MS * 50).escalate(false));
    let (first, second) = (world.process(60), world.process(61));
    world.round(&listening(&[first]), MS);
    // The socket is passed on to another, and the last look was a moment ago.
    world.open.surveyed = Some((world.at + MS * 55, Duration::ZERO));
    let mut passed = listening(&[second]);
    passed.exits = vec![first];
    world.round(&passed, MS * 60);
    assert_eq!(world.end, None);
    world.round(&passed, MS * 25);
    assert_eq!(world.end, Some(Err(vec!["timed_out"])));
}

#[test]
fn who_was_told_to_end_and_can_not_be_looked_at_any_more_meets_sigkill() {
    for is_told_first in [true, false] {
        let mut world = World::new(KillOptions::new().grace(MS * 50));
        let server = world.process(60);
        if is_told_first {
            world.round(&listening(&[server]), MS);
        }
        let unreadable = State {
            unheld: Some(1),
            unreadable: vec![60],
            ..State::default()
        };
        for _ in 0..100 {
            world.round(&unreadable, MS * 25);
        }
        let (sent, end) = match is_told_first {
            true => (
                vec![(server, Signal::Term), (server, Signal::Kill)],
                "survived",
            ),
            false => (Vec::new(), "hidden"),
        };
        assert_eq!(world.sent, sent);
        world.round(&unreadable, Duration::from_secs(5));
        assert_eq!(world.end, Some(Err(vec![end])));
    }
}

#[test]
fn who_is_above_two_servers_has_not_started_the_second_if_somebody_between_was_there_before() {
    for is_between in [true, false] {
        let mut world = World::new(KillOptions::new().supervisor(true));
        let long_ago = SystemTime::now() - Duration::from_secs(100);
        let mut add = |pid: u32, started, ancestors: Vec<Id>| {
            let mut facts = facts(pid);
            facts.process.started = Some(started);
            facts.ancestors = ancestors;
            world.crowd.add(facts)
        };
        let runner = add(40, long_ago, Vec::new());
        let first = add(60, long_ago, vec![runner]);
        let between = add(41, long_ago, vec![runner]);
        let above = if is_between {
            vec![between, runner]
        } else {
            vec![runner]
        };
        let second = add(61, SystemTime::now() + Duration::from_secs(1), above);
        world.round(&listening(&[first]), MS);
        world.conduct.since = Some((SystemTime::now(), Mark::now()));
        let next = State {
            held: vec![(2, SocketState::Listen, vec![second])],
            exits: vec![first],
            ..State::default()
        };
        world.round(&next, MS * 30);
        let told = if is_between { second } else { runner };
        assert_eq!(world.sent, [(first, Signal::Term), (told, Signal::Term)]);
    }
}

#[test]
fn a_socket_that_is_another_one_at_each_look_is_not_hidden() {
    for is_another in [true, false] {
        let mut world = World::new(KillOptions::new().grace(Duration::ZERO));
        for number in 0..300 {
            let state = State {
                unheld: Some(if is_another { number } else { 1 }),
                ..State::default()
            };
            world.round(&state, MS * 25);
        }
        let kind = if is_another { "fleeting" } else { "hidden" };
        assert_eq!(world.end, Some(Err(vec![kind])));
    }
}

#[test]
fn no_length_of_settling_or_of_grace_ends_in_a_panic_or_in_time_running_out_on_a_free_port() {
    for settle in [Duration::ZERO, Duration::from_secs(30), Duration::MAX] {
        for grace in [Duration::ZERO, Duration::MAX] {
            let mut world = World::new(KillOptions::new().settle(settle).grace(grace));
            let (server, parent) = (world.process(60), world.process(61));
            let mut with_parent = facts(62);
            with_parent.ancestors = vec![parent];
            let child = world.crowd.add(with_parent);
            world.round(&listening(&[server, child]), MS);
            let over = State {
                exits: vec![server, child],
                ..State::default()
            };
            for _ in 0..40 {
                world.round(&over, Duration::from_secs(1));
            }
            let is_over = settle < Duration::from_secs(40);
            assert_eq!(world.end, is_over.then_some(Ok(())), "{settle:?} {grace:?}");
        }
    }
}

prop_compose! {
    fn any_state()(
        held in prop::collection::vec(
            (0..6_u64, any::<bool>(), prop::collection::vec(0..6_usize, 1..3)), 0..3),
        is_refused in prop::bool::weighted(0.2),
        uses in prop::collection::vec(prop::option::of(0..6_usize), 0..2),
        closed in prop::option::weighted(0.1, 0..3000_u64),
        exits in prop::collection::vec(0..6_usize, 0..2),
        later in 0..700_u64,
    ) -> (Vec<(u64, bool, Vec<usize>)>, bool, Vec<Option<usize>>, Option<u64>, Vec<usize>, u64) {
        (held, is_refused, uses, closed, exits, later)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The world asserts that "free" is only said with proof; here is what has to hold whatever comes.
    #[test]
    fn nobody_is_signalled_twice_with_one_signal_or_without_the_judges_word(
        rounds in prop::collection::vec(any_state(), 1..40),
        force in any::<bool>(),
        escalate in any::<bool>(),
        clients in any::<bool>(),
    ) {
        let mut options = KillOptions::new()
            .grace(Duration::from_secs(2))
            .force(force)
            .escalate(escalate);
        if clients {
            options = options.include(crate::include::Include::Clients);
        }
        let mut world = World::new(options);
        let mut ids: Vec<Id> = (60..64).map(|pid| world.process(pid)).collect();
        // One who may not be signalled, and the caller itself.
        let mut denied = facts(64);
        denied.may_signal = false;
        let denied = world.crowd.add(denied);
        let caller = world.rules.caller.unwrap();
        ids.extend([denied, caller]);
        for (held, is_refused, uses, closed, exits, later) in rounds {
            let state = State {
                uid: None,
                unheld: None,
                unreadable: Vec::new(),
                held: held
                    .into_iter()
                    .map(|(id, is_bound, holders)| {
                        let kind = if is_bound { SocketState::Bound } else { SocketState::Listen };
                        (id, kind, holders.into_iter().map(|at| ids[at]).collect())
                    })
                    .collect(),
                is_refused,
                uses: uses
                    .into_iter()
                    .map(|owner| (ConnectionState::CloseWait, owner.map(|at| ids[at])))
                    .collect(),
                closed: closed.map(Duration::from_millis),
                exits: exits.into_iter().map(|at| ids[at]).collect(),
            };
            world.round(&state, Duration::from_millis(later));
        }
        let mut seen = HashSet::new();
        for (id, signal) in &world.sent {
            prop_assert!(seen.insert((*id, *signal)), "{id:?} was sent {signal} twice");
            prop_assert!(*id != caller && *id != denied);
            if !escalate && !force {
                prop_assert!(*signal != Signal::Kill);
            }
        }
        for id in ids {
            let polite = world.sent.iter().filter(|(who, signal)| *who == id && *signal != Signal::Kill);
            prop_assert!(polite.count() <= 1);
        }
    }
}
