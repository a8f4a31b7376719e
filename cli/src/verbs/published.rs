//! Containers in a list: they replace the processes that forward ports to them.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use kill_port::containers::{Container, EngineError, forwarder, published};
use kill_port::{Protocol, Target};

use crate::answer::Listing;

/// Asks the engines, if that may matter, and says which did not answer. A list of `all` ports has those as well that a packet
/// filter forwards without any socket.
pub fn add(listings: &mut Vec<(Target, Listing)>, all: bool) -> Vec<EngineError> {
    if !all && !listings.iter().any(may_be_published) {
        return Vec::new();
    }
    let published = published();
    let containers = by_port(published.containers);
    if all {
        add_ports_without_a_socket(listings, &containers);
    }
    for listing in listings
        .iter_mut()
        .filter(|listing| may_be_published(listing))
    {
        put_containers_before_forwarders(listing, &containers);
    }
    published.errors
}

/// The containers that publish each port.
type ByPort = BTreeMap<u16, Vec<Rc<Container>>>;

/// An engine may list very many, so that nobody is to go through all of them for each port.
fn by_port(containers: Vec<Container>) -> ByPort {
    let mut ports = ByPort::new();
    for container in containers.into_iter().map(Rc::new) {
        for port in container.ports.iter() {
            let there = ports.entry(port.host_port).or_default();
            if !there
                .last()
                .is_some_and(|last| Rc::ptr_eq(last, &container))
            {
                there.push(Rc::clone(&container));
            }
        }
    }
    ports
}

/// Whether a container may publish the port: a forwarder holds it, or nobody who can be seen.
fn may_be_published((_, listing): &(Target, Listing)) -> bool {
    let mut holders = listing.holders.iter();
    listing.holders.is_empty()
        || !listing.hidden.is_empty()
        || holders.any(|holder| forwarder(&holder.process).is_some())
}

fn add_ports_without_a_socket(listings: &mut Vec<(Target, Listing)>, containers: &ByPort) {
    let listed: HashSet<Target> = listings.iter().map(|(target, _)| *target).collect();
    let targets = containers.keys().copied().map(Target::new);
    let missing = targets.filter(|target| !listed.contains(target));
    listings.extend(missing.map(|target| (target, Listing::default())));
}

fn put_containers_before_forwarders(
    (target, listing): &mut (Target, Listing),
    containers: &ByPort,
) {
    let publishes = |container: &&Rc<Container>| container.publishes(target);
    let on_port = containers.get(&target.port()).into_iter().flatten();
    listing.containers = on_port.filter(publishes).cloned().collect();
    let is_published = |protocol: Protocol| {
        let target = target.with_protocol(protocol);
        let mut containers = listing.containers.iter();
        containers.any(|container| container.publishes(&target))
    };
    listing.holders.retain(|holder| {
        let mut sockets = holder.sockets.iter();
        forwarder(&holder.process).is_none() || !sockets.all(|socket| is_published(socket.protocol))
    });
    listing
        .hidden
        .retain(|hidden| !is_published(hidden.socket.protocol));
}
