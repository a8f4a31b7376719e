//! Holders that can't be seen beside those that can.

use super::job::Job;
use super::known::Registry;
use crate::error::HiddenCause;
use crate::survey::{self, HiddenSocket};

/// Sockets that somebody unseen must hold beside the holders that are seen: a worker that runs as the caller's user under a master
/// of root's shares its socket with the master, whose descriptors can't be read.
///
/// Two signs tell of it. The socket was made by the user of the unreadable parent, not by the holder's own; or an earlier holder of this
/// very socket was ended, and the same parent has put another in its place.
pub(super) fn shared_with_unseen(
    job: &Job,
    registry: &Registry,
    unreadable: &[u32],
) -> Vec<HiddenSocket> {
    let mut shared: Vec<HiddenSocket> = Vec::new();
    for member in job
        .members
        .iter()
        .filter(|member| !member.sockets.is_empty())
    {
        let Some(known) = registry.get(member.identity) else {
            continue;
        };
        let parent = match known.lineage.parent() {
            Some(parent) if unreadable.contains(&parent.pid()) && parent.pid() != 1 => {
                Some(parent.describe())
            }
            Some(_) => continue,
            None if known.lineage.unseen_parent.is_some_and(|pid| pid != 1) => None,
            None => continue,
        };
        // One that was there all along was missed by the first look, and replaces nobody.
        let is_late = job.present.binary_search(&member.identity.pid).is_err();
        let replaced = known.sent.is_empty()
            && is_late
            && job.members.iter().any(|other| {
                let other = registry.get(other.identity);
                other.is_some_and(|other| {
                    other.exited.is_some() && other.process.parent_pid == known.process.parent_pid
                })
            });
        for socket in &member.sockets {
            let made_by_parent = socket.uid != known.process.uid
                && parent
                    .as_ref()
                    .is_none_or(|parent| parent.uid == socket.uid);
            let was_there = job.seen.contains(&socket.id);
            let is_noted = shared.iter().any(|hidden| hidden.socket.id == socket.id);
            if (made_by_parent || (replaced && was_there)) && !is_noted {
                let mut hidden = survey::hidden(socket.clone(), &[]);
                hidden.cause = HiddenCause::Unreadable;
                hidden.candidates = parent.iter().cloned().collect();
                shared.push(hidden);
            }
        }
    }
    shared
}
