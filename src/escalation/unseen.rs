//! Holders that can't be seen, or not any more.

use std::collections::HashSet;

use super::conduct::Conduct;
use super::decide::Round;
use super::job::Open;
use crate::discovery::{Crowd, Found};
use crate::socket::{HiddenCause, HiddenSocket, Socket, SocketId};

/// Sockets that somebody unseen must hold beside the holders that are seen: a worker that runs as the caller's user under a master
/// of root's shares its socket with the master, whose descriptors can't be read.
///
/// Two signs tell of it. The socket was made by the user of the unreadable parent, not by the holder's own; or an earlier holder of this
/// very socket was ended, and the same parent has put another in its place.
pub(super) fn shared_with_unseen(
    open: &Open,
    found: &Found,
    round: &Round<'_>,
) -> Vec<HiddenSocket> {
    let mut shared: Vec<HiddenSocket> = Vec::new();
    let mut noted: HashSet<SocketId> = HashSet::new();
    let ended = open.members.iter().map(|member| member.id);
    let parents_of_ended: HashSet<Option<u32>> = ended
        .filter(|&id| round.conduct.of(id).ended.is_some())
        .map(|id| round.crowd[id].process.parent_pid)
        .collect();
    for (id, sockets) in &found.held {
        let facts = &round.crowd[*id];
        // Who is gone has no user any more, which tells nothing of who made the socket.
        if facts.process.uid.is_none() && round.exiting.contains(id) {
            continue;
        }
        let parent = match facts.ancestors.first() {
            Some(&parent) => {
                let parent = &round.crowd[parent].process;
                if parent.pid == 1 || found.unreadable.binary_search(&parent.pid).is_err() {
                    continue;
                }
                Some(parent)
            }
            None if facts.unseen_parent.is_some_and(|pid| pid != 1) => None,
            None => continue,
        };
        // One that was there all along was missed by the first look, and replaces nobody.
        let is_late = open.present.binary_search(&facts.process.pid).is_err();
        let replaces = !round.conduct.was_told(*id)
            && is_late
            && parents_of_ended.contains(&facts.process.parent_pid);
        for socket in sockets {
            let made_by_parent = socket.uid != facts.process.uid
                && parent.is_none_or(|parent| parent.uid == socket.uid);
            let was_there = open.seen.contains(&socket.id);
            if (made_by_parent || (replaces && was_there)) && noted.insert(socket.id) {
                shared.push(HiddenSocket {
                    socket: socket.clone(),
                    cause: HiddenCause::Unreadable,
                    candidates: parent.into_iter().cloned().collect(),
                });
            }
        }
    }
    shared
}

/// Those who were told to end, live, and can't be looked at any more keep what they had, as far as is known: they may be on the way into another
/// program. Of that, it is what nobody else was seen to hold.
pub(super) fn add_unreadable(open: &Open, conduct: &Conduct, crowd: &Crowd, found: &mut Found) {
    if found.unheld.is_empty() {
        return;
    }
    let mut kept: HashSet<SocketId> = HashSet::new();
    for member in open.pending(conduct) {
        let pid = crowd[member.id].process.pid;
        if found.unreadable.binary_search(&pid).is_err() {
            continue;
        }
        let had = |hidden: &&HiddenSocket| {
            let mut had = member.listened.iter();
            had.any(|socket| socket.id == hidden.socket.id)
        };
        let own = found.unheld.iter().filter(had);
        let own: Vec<Socket> = own.map(|hidden| hidden.socket.clone()).collect();
        if own.is_empty() {
            continue;
        }
        kept.extend(own.iter().map(|socket| socket.id));
        match found.held.iter_mut().find(|(id, _)| *id == member.id) {
            Some((_, sockets)) => sockets.extend(own),
            None => found.held.push((member.id, own)),
        }
    }
    found
        .unheld
        .retain(|hidden| !kept.contains(&hidden.socket.id));
}
