//! Who listens, or which containers do in their place.

use std::collections::BTreeMap;
use std::rc::Rc;

use kill_port::{Error, Protocol, Survey, Target, survey_all, survey_each};

use crate::answer::{Answer, Answers, Listener, Listing};
use crate::request::Request;
use crate::verbs::published;

type ByPort = BTreeMap<u16, Listing>;

/// Looks at the ports asked for, or at all.
pub fn list(request: &Request) -> Answers {
    let targets = &request.ports.targets;
    let mut answers = Answers::default();
    let mut listings = match look(targets, &mut answers.errors) {
        Ok(listings) => listings,
        Err(error) => {
            answers.errors.push(error);
            return answers;
        }
    };
    if request.engines {
        answers.silent_engines = published::add(&mut listings, targets.is_empty());
    }
    listings.sort_by_key(|(target, _)| *target);
    answers.ports = listings
        .into_iter()
        .map(|(target, listing)| (target, Answer::Listed(listing)))
        .collect();
    answers
}

/// One look at everything serves every target without an address, and another those with one, as the library knows which sockets stand in
/// their way.
fn look(targets: &[Target], errors: &mut Vec<Error>) -> Result<Vec<(Target, Listing)>, Error> {
    let is_all = targets.is_empty();
    let (with_address, without): (Vec<Target>, Vec<Target>) = targets
        .iter()
        .partition(|target| target.address().is_some());
    let all = if is_all || !without.is_empty() {
        by_port(&survey_all()?)
    } else {
        ByPort::new()
    };
    if is_all {
        let of_all = all.into_iter();
        return Ok(of_all
            .map(|(port, listing)| (Target::new(port), listing))
            .collect());
    }
    let parts = without
        .into_iter()
        .map(|target| (target, part(&all, target)));
    let mut listings: Vec<(Target, Listing)> = parts.collect();
    if with_address.is_empty() {
        return Ok(listings);
    }
    for (target, survey) in survey_each(with_address) {
        match survey {
            Ok(survey) => listings.push((target, part(&by_port(&survey), target))),
            Err(error) => errors.push(error),
        }
    }
    Ok(listings)
}

/// Each port's part of a survey.
fn by_port(survey: &Survey) -> ByPort {
    let mut ports = ByPort::new();
    for holder in survey.holders() {
        let process = Rc::new(holder.process.clone());
        for socket in &holder.sockets {
            let holders = &mut ports.entry(socket.port).or_default().holders;
            match holders.last_mut() {
                Some(last) if Rc::ptr_eq(&last.process, &process) => {
                    last.sockets.push(socket.clone());
                }
                _ => holders.push(Listener {
                    process: Rc::clone(&process),
                    sockets: vec![socket.clone()],
                }),
            }
        }
    }
    for hidden in survey.hidden() {
        let listing = ports.entry(hidden.socket.port).or_default();
        listing.hidden.push(hidden.clone());
    }
    ports
}

/// The part that has the target's port and protocol.
fn part(ports: &ByPort, target: Target) -> Listing {
    let mut part = ports.get(&target.port()).cloned().unwrap_or_default();
    let is_asked = |protocol: Protocol| target.protocol().is_none_or(|asked| asked == protocol);
    for holder in &mut part.holders {
        holder.sockets.retain(|socket| is_asked(socket.protocol));
    }
    part.holders.retain(|holder| !holder.sockets.is_empty());
    part.hidden
        .retain(|hidden| is_asked(hidden.socket.protocol));
    part
}
