//! May this be ended? One function that every signal passes, whoever it is for: a holder, a leftover, a client, a descendant or a
//! supervisor. It goes by identity, never by number.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use crate::discovery::{Crowd, Facts, Id};
use crate::options::{Agreed, KillOptions};
use crate::protocol::Protocol;
use crate::report::SparedReason;
use crate::socket::{Holder, Socket, SocketState};
use crate::sys::{Folder, Place};
use crate::target::Target;

/// What sparing depends on, besides the process.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The process that asks.
    pub caller: Option<Id>,
    /// Where it stands.
    pub place: Place,
    /// Those above it.
    pub ancestors: HashSet<Id>,
    /// Whether some of them can't be seen.
    pub breaks_off: bool,
    /// Where clients' local ports come from.
    pub ephemeral: RangeInclusive<u16>,
    /// Whether the caller's ancestors may be ended.
    pub include_ancestors: bool,
    /// Whether clients may.
    pub include_clients: bool,
    /// Whether editors may.
    pub include_editors: bool,
    /// Whether those may that forward to a container.
    pub include_forwarders: bool,
    /// Whether no process may be ended, only containers.
    #[cfg(feature = "containers")]
    pub only_containers: bool,
    /// Where those work who may be ended, if not everywhere.
    pub within: Option<Folder>,
    /// Those who were agreed to, if that was asked.
    pub agreed: Option<Agreed>,
    /// Those below whom others hold other ports, and these others: they are not ended as supervisors.
    pub others: HashMap<Id, Vec<Holder>>,
}

impl Rules {
    /// What these options say, for a caller that is yet to be learned.
    pub(crate) fn of(options: &KillOptions) -> Self {
        Self {
            caller: None,
            place: Place::default(),
            ancestors: HashSet::new(),
            breaks_off: false,
            ephemeral: 0..=0,
            include_ancestors: options.ancestors,
            include_clients: options.clients,
            include_editors: options.editors,
            include_forwarders: options.forwarders,
            #[cfg(feature = "containers")]
            only_containers: options.containers == crate::container::Containers::Only,
            within: None,
            agreed: options.agreed.clone(),
            others: HashMap::new(),
        }
    }

    /// For a caller that is unknown: nobody may be ended.
    pub(crate) fn of_nobody() -> Self {
        Self::of(&KillOptions::new())
    }

    /// Why the caller is not to be hit through this process, if it is the caller or may be above it.
    fn caller_or_above(&self, id: Id, facts: &Facts) -> Option<SparedReason> {
        if Some(id) == self.caller {
            return Some(SparedReason::Caller);
        }
        if self.ancestors.contains(&id) {
            return Some(SparedReason::Ancestor);
        }
        let own = self.place;
        let place = facts.place;
        let shares = (own.session != 0 && own.session == place.session)
            || (own.group != 0 && own.group == place.group)
            || (own.terminal != 0 && own.terminal == place.terminal);
        (self.breaks_off && (shares || facts.has_unseen_child))
            .then_some(SparedReason::PerhapsAncestor)
    }

    /// Those above a process who may have started it to keep it running, nearest first: up to the first who can't be one to end, which
    /// is PID 1, a service manager, the caller or one of its ancestors, or an interactive shell.
    pub(crate) fn supervisors<'a>(&self, crowd: &'a Crowd, of: Id) -> &'a [Id] {
        let above = &crowd[of].ancestors;
        let end = above
            .iter()
            .position(|&id| self.ends_supervision(crowd, id));
        above.get(..end.unwrap_or(above.len())).unwrap_or_default()
    }

    /// The nearest of them who is alive and may start it again, now that it has ended. A shell that was only a wrapper around the server ends
    /// with it, and then it is the turn of what started the shell.
    pub(crate) fn living_supervisor(
        &self,
        crowd: &Crowd,
        of: Id,
        gone: &HashSet<Id>,
    ) -> Option<Id> {
        let supervisors = self.supervisors(crowd, of).iter();
        supervisors.copied().find(|id| !gone.contains(id))
    }

    fn ends_supervision(&self, crowd: &Crowd, id: Id) -> bool {
        let facts = &crowd[id];
        facts.is_init || self.caller_or_above(id, facts).is_some() || facts.is_interactive_shell()
    }

    /// Why it is not one of those asked for, if they are asked for by where they work.
    fn outside(&self, facts: &Facts) -> Option<SparedReason> {
        self.within.as_ref()?;
        match facts.is_inside {
            Some(true) => None,
            Some(false) => Some(SparedReason::Outside),
            None => Some(SparedReason::FolderUnknown),
        }
    }
}

/// What a process has to do with the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It holds a listening socket.
    Holder,
    /// It keeps a connection of a server that was ended just now.
    Leftover,
    /// It uses the port as the local port of its own connection.
    Client,
    /// It descends from a holder.
    Descendant,
    /// It was seen to start a holder again, or is known for it.
    Supervisor,
}

/// A process that may have to end.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub id: Id,
    pub part: Part,
    /// The target's sockets that it holds, if it is a holder.
    pub sockets: &'a [Socket],
    /// Whether the system was seen to refuse a signal to it.
    pub denied: bool,
}

/// The judge's word that somebody may be signalled. Nobody else can give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permit(Id);

impl Permit {
    pub(crate) fn id(self) -> Id {
        self.0
    }
}

/// What is to be done with a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Signal(Permit),
    Spared(SparedReason),
    Denied,
    /// Somebody else keeps the port anyway.
    Withheld,
}

/// May this one be ended, whatever the others are?
pub(crate) fn judge(
    rules: &Rules,
    crowd: &Crowd,
    target: Target,
    candidate: &Candidate<'_>,
) -> Verdict {
    if rules.caller.is_none() {
        return Verdict::Withheld;
    }
    let facts = &crowd[candidate.id];
    let above = rules.caller_or_above(candidate.id, facts);
    if above == Some(SparedReason::Caller) {
        return Verdict::Spared(SparedReason::Caller);
    }
    if facts.is_kernel {
        let reason = if cfg!(windows) {
            SparedReason::System
        } else {
            SparedReason::Kernel
        };
        return Verdict::Spared(reason);
    }
    if facts.is_init {
        return Verdict::Spared(SparedReason::Init);
    }
    // To include ancestors is to mean those who hold the port, not whoever comes along with one of them.
    let includes_above =
        rules.include_ancestors && !matches!(candidate.part, Part::Descendant | Part::Supervisor);
    if let Some(reason) = above.filter(|_| !includes_above) {
        return Verdict::Spared(reason);
    }
    if facts.is_forwarder && !rules.include_forwarders {
        return Verdict::Spared(SparedReason::Forwarder);
    }
    // A container counts by its own folder, not by its forwarder's. What descends from somebody inside belongs to it, wherever it works.
    if candidate.part != Part::Descendant
        && let Some(reason) = rules.outside(facts)
    {
        return Verdict::Spared(reason);
    }
    if candidate.part == Part::Supervisor {
        if facts.is_interactive_shell() {
            return Verdict::Spared(SparedReason::Shell);
        }
        if rules.others.contains_key(&candidate.id) {
            return Verdict::Spared(SparedReason::Needed);
        }
    }
    let is_client = candidate.part == Part::Client || is_perhaps_a_client(rules, target, candidate);
    if is_client && !rules.include_clients {
        return Verdict::Spared(SparedReason::Client);
    }
    // To include ancestors is to mean an editor that is one.
    if facts.is_editor && !rules.include_editors && above.is_none() {
        return Verdict::Spared(SparedReason::Editor);
    }
    #[cfg(feature = "containers")]
    if rules.only_containers {
        return Verdict::Spared(SparedReason::NoContainer);
    }
    let identity = facts.process.identity();
    if let Some(agreed) = &rules.agreed
        && !agreed.processes.contains(&identity)
    {
        return Verdict::Spared(SparedReason::NotAgreed);
    }
    if candidate.denied || !facts.may_signal {
        return Verdict::Denied;
    }
    Verdict::Signal(Permit(candidate.id))
}

/// Decides on every holder of a target. `hidden` are the sockets that somebody unseen holds, alone or beside others.
///
/// *Look before you shoot:* among sockets that meet, one that can't be freed makes it pointless to end the holders of the others, so they are
/// left alone. Where any address is asked for, all of them meet: only when the last is gone can a server bind every address.
pub(crate) fn judge_holders(
    rules: &Rules,
    crowd: &Crowd,
    target: Target,
    candidates: &[Candidate<'_>],
    hidden: &[&Socket],
) -> Vec<Verdict> {
    let own: Vec<Verdict> = candidates
        .iter()
        .map(|candidate| judge(rules, crowd, target, candidate))
        .collect();
    let mut blocked: Vec<&Socket> = hidden.to_vec();
    for (candidate, verdict) in candidates.iter().zip(&own) {
        if !matches!(verdict, Verdict::Signal(_)) {
            blocked.extend(candidate.sockets);
        }
    }
    let blocked = spread(blocked, candidates, target);
    candidates
        .iter()
        .zip(own)
        .map(|(candidate, verdict)| {
            let can_be_freed = |socket| !blocked.contains(socket);
            match verdict {
                Verdict::Signal(_) if !candidate.sockets.iter().any(can_be_freed) => {
                    Verdict::Withheld
                }
                verdict => verdict,
            }
        })
        .collect()
}

/// These sockets and every one that meets one of them, and those that meet these.
fn spread<'a>(
    mut blocked: Vec<&'a Socket>,
    candidates: &[Candidate<'a>],
    target: Target,
) -> HashSet<&'a Socket> {
    let mut known: HashSet<&Socket> = blocked.iter().copied().collect();
    if blocked.is_empty() {
        return known;
    }
    // Workers have the same socket by the thousand.
    let mut free: HashSet<&Socket> = candidates
        .iter()
        .flat_map(|candidate| candidate.sockets)
        .filter(|socket| !known.contains(socket))
        .collect();
    while let Some(blocker) = blocked.pop().filter(|_| !free.is_empty()) {
        free.retain(|socket| {
            let meets = blocker.meets(socket, target);
            if meets {
                blocked.push(socket);
                known.insert(socket);
            }
            !meets
        });
    }
    known
}

/// A UDP socket that only sends looks to the kernel like a server. On an ephemeral port it counts as a client, unless UDP was
/// named or the process holds the target by another socket anyway.
fn is_perhaps_a_client(rules: &Rules, target: Target, candidate: &Candidate<'_>) -> bool {
    target.protocol() != Some(Protocol::Udp)
        && rules.ephemeral.contains(&target.port())
        && !candidate.sockets.is_empty()
        && candidate
            .sockets
            .iter()
            .all(|socket| socket.state == SocketState::Unconnected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::tests::{facts, socket};
    use crate::process::Identity;

    /// Everybody that the tests need: the caller, one above it, PID 1, and some strangers.
    struct Town {
        crowd: Crowd,
        rules: Rules,
    }

    impl Town {
        fn new() -> Self {
            let mut crowd = Crowd::default();
            let caller = crowd.add(facts(50));
            let above = crowd.add(facts(40));
            let rules = Rules {
                caller: Some(caller),
                ancestors: HashSet::from([above]),
                ephemeral: 32768..=60999,
                ..Rules::of(&KillOptions::new())
            };
            Self { crowd, rules }
        }

        fn add(&mut self, pid: u32, change: impl FnOnce(&mut Facts)) -> Id {
            let mut new = facts(pid);
            change(&mut new);
            self.crowd.add(new)
        }

        fn holder<'a>(id: Id, sockets: &'a [Socket]) -> Candidate<'a> {
            Candidate {
                id,
                part: Part::Holder,
                sockets,
                denied: false,
            }
        }

        fn judge(&self, id: Id, part: Part) -> Verdict {
            let candidate = Candidate {
                id,
                part,
                sockets: &[],
                denied: false,
            };
            judge(&self.rules, &self.crowd, Target::new(3000), &candidate)
        }

        fn verdicts(&self, candidates: &[Candidate<'_>], hidden: &[&Socket]) -> Vec<Verdict> {
            judge_holders(
                &self.rules,
                &self.crowd,
                Target::new(3000),
                candidates,
                hidden,
            )
        }
    }

    const PARTS: [Part; 5] = [
        Part::Holder,
        Part::Leftover,
        Part::Client,
        Part::Descendant,
        Part::Supervisor,
    ];

    #[test]
    fn the_caller_pid_1_and_threads_of_the_kernel_are_spared_in_every_part_and_whatever_is_included()
     {
        let mut town = Town::new();
        town.rules.include_ancestors = true;
        town.rules.include_clients = true;
        let init = town.add(1, |facts| facts.is_init = true);
        let kernel = town.add(2, |facts| facts.is_kernel = true);
        let forwarder = town.add(3, |facts| facts.is_forwarder = true);
        let of_kernel = if cfg!(windows) {
            SparedReason::System
        } else {
            SparedReason::Kernel
        };
        let caller = town.rules.caller.unwrap();
        for part in PARTS {
            for (id, reason) in [
                (caller, SparedReason::Caller),
                (init, SparedReason::Init),
                (kernel, of_kernel),
                (forwarder, SparedReason::Forwarder),
            ] {
                assert_eq!(town.judge(id, part), Verdict::Spared(reason), "{part:?}");
            }
        }
    }

    #[test]
    fn editors_and_forwarders_are_spared_in_every_part_unless_they_are_included() {
        let mut town = Town::new();
        town.rules.include_clients = true;
        let editor = town.add(60, |facts| facts.is_editor = true);
        let forwarder = town.add(61, |facts| facts.is_forwarder = true);
        for part in PARTS {
            let spared = |reason| Verdict::Spared(reason);
            assert_eq!(town.judge(editor, part), spared(SparedReason::Editor));
            assert_eq!(town.judge(forwarder, part), spared(SparedReason::Forwarder));
        }
        town.rules.include_editors = true;
        town.rules.include_forwarders = true;
        for id in [editor, forwarder] {
            assert_eq!(
                town.judge(id, Part::Holder),
                Verdict::Signal(Permit(id)),
                "included"
            );
        }
    }

    #[test]
    fn where_a_folder_was_asked_for_those_are_spared_who_work_elsewhere_or_nobody_knows_where() {
        let mut town = Town::new();
        town.rules.include_clients = true;
        let [inside, outside, unknown] = [Some(true), Some(false), None]
            .map(|is_inside| town.add(60, |facts| facts.is_inside = is_inside));
        for part in PARTS {
            for id in [inside, outside, unknown] {
                assert_eq!(town.judge(id, part), Verdict::Signal(Permit(id)));
            }
        }
        town.rules.within = Some(Folder::open(&std::env::temp_dir()).unwrap());
        for part in PARTS {
            let unless_descends = |id, reason| match part {
                Part::Descendant => Verdict::Signal(Permit(id)),
                _ => Verdict::Spared(reason),
            };
            assert_eq!(town.judge(inside, part), Verdict::Signal(Permit(inside)));
            let expected = unless_descends(outside, SparedReason::Outside);
            assert_eq!(town.judge(outside, part), expected);
            let expected = unless_descends(unknown, SparedReason::FolderUnknown);
            assert_eq!(town.judge(unknown, part), expected);
        }
    }

    #[test]
    fn a_shell_that_somebody_types_into_and_whoever_is_needed_are_spared_as_supervisors_alone() {
        let mut town = Town::new();
        let shell = town.add(60, |facts| {
            facts.process.name = "bash".to_owned();
            facts.place.terminal = 9;
            facts.place.session = 60;
        });
        let needed = town.add(61, |_| ());
        town.rules.others.insert(needed, Vec::new());
        for part in PARTS {
            let spared = |id, reason| match part {
                Part::Supervisor => Verdict::Spared(reason),
                Part::Client => Verdict::Spared(SparedReason::Client),
                _ => Verdict::Signal(Permit(id)),
            };
            assert_eq!(town.judge(shell, part), spared(shell, SparedReason::Shell));
            assert_eq!(
                town.judge(needed, part),
                spared(needed, SparedReason::Needed)
            );
        }
    }

    #[test]
    fn whoever_includes_ancestors_means_an_editor_that_is_one() {
        let mut town = Town::new();
        let editor = town.add(41, |facts| facts.is_editor = true);
        town.rules.ancestors.insert(editor);
        town.rules.include_ancestors = true;
        assert_eq!(
            town.judge(editor, Part::Holder),
            Verdict::Signal(Permit(editor))
        );
    }

    #[test]
    fn ancestors_are_spared_unless_included_and_then_only_for_what_they_hold_themselves() {
        let mut town = Town::new();
        let above = *town.rules.ancestors.iter().next().unwrap();
        let spared = Verdict::Spared(SparedReason::Ancestor);
        for part in PARTS {
            assert_eq!(town.judge(above, part), spared);
        }
        town.rules.include_ancestors = true;
        assert_eq!(
            town.judge(above, Part::Holder),
            Verdict::Signal(Permit(above))
        );
        for part in [Part::Descendant, Part::Supervisor] {
            assert_eq!(town.judge(above, part), spared);
        }
    }

    #[test]
    fn where_the_chain_of_ancestors_breaks_off_those_who_may_be_above_it_are_spared() {
        let mut town = Town::new();
        let place = |session, group, terminal| Place {
            session,
            group,
            terminal,
            arguments: 0,
        };
        town.rules.place = place(7, 8, 9);
        let stranger = town.add(60, |facts| facts.place = place(1, 2, 3));
        let suspects = [
            town.add(61, |facts| facts.place = place(7, 2, 3)),
            town.add(62, |facts| facts.place = place(1, 8, 3)),
            town.add(63, |facts| facts.place = place(1, 2, 9)),
            town.add(64, |facts| facts.has_unseen_child = true),
        ];
        for id in suspects {
            assert_eq!(
                town.judge(id, Part::Holder),
                Verdict::Signal(Permit(id)),
                "the chain is whole"
            );
        }
        town.rules.breaks_off = true;
        for id in suspects {
            let spared = Verdict::Spared(SparedReason::PerhapsAncestor);
            assert_eq!(town.judge(id, Part::Holder), spared);
        }
        assert_eq!(
            town.judge(stranger, Part::Holder),
            Verdict::Signal(Permit(stranger))
        );
    }

    #[test]
    fn whoever_was_not_agreed_to_is_spared_in_every_part_by_identity_and_not_by_number() {
        let mut town = Town::new();
        town.rules.include_clients = true;
        let agreed = town.add(60, |_| ());
        let same_number = town.add(60, |facts| facts.process.start_ticks += 1);
        let processes = vec![Identity {
            pid: 60,
            start_ticks: town.crowd[agreed].process.start_ticks,
        }];
        town.rules.agreed = Some(Agreed {
            processes,
            #[cfg(feature = "containers")]
            containers: Vec::new(),
        });
        for part in PARTS {
            assert_eq!(town.judge(agreed, part), Verdict::Signal(Permit(agreed)));
            assert_eq!(
                town.judge(same_number, part),
                Verdict::Spared(SparedReason::NotAgreed)
            );
        }
    }

    #[test]
    fn nobody_may_be_ended_for_a_caller_that_is_unknown() {
        let mut town = Town::new();
        let stranger = town.add(60, |_| ());
        town.rules = Rules::of_nobody();
        for part in PARTS {
            assert_eq!(town.judge(stranger, part), Verdict::Withheld);
        }
    }

    #[test]
    fn an_overlapping_holder_is_left_alone_when_another_is_out_of_reach() {
        let mut town = Town::new();
        let ids: Vec<Id> = (60..64).map(|pid| town.add(pid, |_| ())).collect();
        let loopback = [socket(2, Protocol::Tcp, "127.0.0.1")];
        let wildcard = [socket(1, Protocol::Tcp, "0.0.0.0")];
        let other = [socket(3, Protocol::Tcp, "::1")];
        let udp = [socket(4, Protocol::Udp, "0.0.0.0")];
        let denied = |sockets| Candidate {
            denied: true,
            ..Town::holder(ids[0], sockets)
        };
        let all = [
            denied(&loopback),
            Town::holder(ids[1], &wildcard),
            Town::holder(ids[2], &other),
            Town::holder(ids[3], &udp),
        ];
        use Verdict::{Denied, Signal, Withheld};
        let on = |target: Target, candidates: &[Candidate<'_>]| {
            judge_holders(&town.rules, &town.crowd, target, candidates, &[])
        };
        let localhost: Target = "localhost:3000".parse().unwrap();
        let signal = |at: usize| Signal(Permit(ids[at]));
        assert_eq!(
            on(localhost, &all),
            [Denied, Withheld, signal(2), signal(3)]
        );
        // A server that binds every address is kept from it by each of them.
        assert_eq!(
            on(Target::new(3000), &all),
            [Denied, Withheld, Withheld, signal(3)]
        );
    }

    #[test]
    fn holders_on_devices_of_their_own_meet_where_one_bind_meets_both() {
        let mut town = Town::new();
        let ids: Vec<Id> = (60..62).map(|pid| town.add(pid, |_| ())).collect();
        let on_device = |interface| Socket {
            interface,
            ..socket(u64::from(interface), Protocol::Tcp, "0.0.0.0")
        };
        let (one, other) = ([on_device(1)], [on_device(2)]);
        let denied = Candidate {
            denied: true,
            ..Town::holder(ids[0], &one)
        };
        let all = [denied, Town::holder(ids[1], &other)];
        for target in ["127.0.0.1:3000", "localhost:3000", "3000"] {
            let target = target.parse().unwrap();
            let verdicts = judge_holders(&town.rules, &town.crowd, target, &all, &[]);
            assert_eq!(verdicts[1], Verdict::Withheld, "{target}");
        }
    }

    #[test]
    fn a_hidden_holder_beside_a_seen_one_blocks_it() {
        let mut town = Town::new();
        let id = town.add(61, |_| ());
        let shared = [socket(1, Protocol::Tcp, "0.0.0.0")];
        let verdicts = town.verdicts(&[Town::holder(id, &shared)], &[&shared[0]]);
        assert_eq!(verdicts, [Verdict::Withheld]);
    }

    #[test]
    fn a_holder_of_tcp_and_udp_goes_if_one_of_them_can_be_freed() {
        let mut town = Town::new();
        let id = town.add(61, |_| ());
        let both = [
            socket(1, Protocol::Tcp, "0.0.0.0"),
            socket(2, Protocol::Udp, "0.0.0.0"),
        ];
        let hidden = socket(3, Protocol::Udp, "127.0.0.1");
        let verdicts = town.verdicts(&[Town::holder(id, &both)], &[&hidden]);
        assert_eq!(verdicts, [Verdict::Signal(Permit(id))]);
    }

    #[test]
    fn udp_on_an_ephemeral_port_is_a_client_unless_named_or_held_otherwise_or_included() {
        let mut town = Town::new();
        let id = town.add(61, |_| ());
        let at = |mut socket: Socket| {
            socket.port = 40789;
            socket
        };
        let udp = [at(socket(1, Protocol::Udp, "0.0.0.0"))];
        let both = [
            at(socket(1, Protocol::Udp, "0.0.0.0")),
            at(socket(2, Protocol::Tcp, "0.0.0.0")),
        ];
        let any = Target::new(40789);
        let of = |town: &Town, target, sockets| {
            let candidate = Town::holder(id, sockets);
            judge(&town.rules, &town.crowd, target, &candidate)
        };
        let signal = Verdict::Signal(Permit(id));
        let spared = Verdict::Spared(SparedReason::Client);
        assert_eq!(of(&town, any, &udp), spared);
        assert_eq!(of(&town, any.with_protocol(Protocol::Udp), &udp), signal);
        assert_eq!(of(&town, any, &both), signal);
        assert_eq!(town.judge(id, Part::Client), spared);
        town.rules.include_clients = true;
        assert_eq!(of(&town, any, &udp), signal);
        assert_eq!(town.judge(id, Part::Client), signal);
    }
}
