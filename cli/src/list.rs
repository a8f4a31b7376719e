//! `--list`: who listens. Nobody is signalled.

use std::collections::BTreeMap;

use kill_port::containers::{Container, forwarder, published};
use kill_port::{
    Error, HiddenCause, HiddenSocket, Holder, Socket, Survey, Target, printable, survey, survey_all,
};

use crate::args::{Args, Containers};
use crate::exit::{Exit, Status};
use crate::human::{Page, error_text};
use crate::json::{Document, Port};
use crate::output;
use crate::ports::Request;
use crate::style::{BOLD, GOOD, WARN, paint};
use crate::table;

/// Who holds one target.
#[derive(Debug)]
pub struct Listing {
    /// The target.
    pub target: Target,
    /// Its holders, with those of their sockets that belong to it.
    pub holders: Vec<Holder>,
    /// Its sockets without a holder to be seen.
    pub hidden: Vec<HiddenSocket>,
    /// The containers that publish it. Their forwarders are not among the holders then.
    pub containers: Vec<Container>,
}

impl Listing {
    /// Whether nobody listens.
    pub fn is_free(&self) -> bool {
        self.holders.is_empty() && self.hidden.is_empty() && self.containers.is_empty()
    }
}

/// Prints a table, or JSON.
pub fn run(args: &Args, request: &Request, page: &Page) -> Exit {
    let (mut listings, errors) = gather(&request.targets);
    if args.containers != Containers::Never {
        add_containers(&mut listings, request.targets.is_empty());
    }
    listings.sort_by_key(|listing| listing.target);
    let statuses = listings.iter().map(|listing| {
        if listing.is_free() {
            Status::AlreadyFree
        } else {
            // Shown is all that was asked for.
            Status::Freed
        }
    });
    let failures = errors.iter().map(|_| Status::Failed);
    let exit = Exit::merge(statuses.chain(failures), args.fail_if_free);
    let printed = if args.json {
        let ports = listings.iter().map(Port::listed);
        Document::new(ports.collect(), errors.iter()).print()
    } else {
        print(args, request, page, &listings, &errors)
    };
    if printed == Exit::Done { exit } else { printed }
}

fn print(
    args: &Args,
    request: &Request,
    page: &Page,
    listings: &[Listing],
    errors: &[Error],
) -> Exit {
    let mut printed = Exit::Done;
    if !args.quiet {
        let mut text = table::render(listings, page.width);
        for listing in listings {
            if listing.is_free() && request.is_single(listing.target) {
                text.push_str(&format!(
                    "{}: nobody listens\n",
                    paint(BOLD, listing.target)
                ));
            }
        }
        if text.is_empty() && errors.is_empty() {
            text.push_str("nobody listens\n");
        }
        printed = output::document(&text);
        // Root can't become anybody who would see more.
        if page.uid != Some(0)
            && listings
                .iter()
                .flat_map(|listing| &listing.hidden)
                .any(is_unreadable)
        {
            let as_root = if cfg!(windows) {
                "an administrator sees"
            } else {
                "`sudo kill_port --list` shows"
            };
            output::complain(&format!(
                "  {} {as_root} who holds the sockets without a process\n",
                paint(GOOD, "help:")
            ));
        }
    }
    for error in errors {
        output::complain(&error_text(error));
    }
    printed
}

fn is_unreadable(hidden: &HiddenSocket) -> bool {
    hidden.cause == HiddenCause::Unreadable
}

/// One look at everything serves every target without an address; one with an address is asked for by itself, as the
/// library knows which sockets stand in its way.
fn gather(targets: &[Target]) -> (Vec<Listing>, Vec<Error>) {
    let mut errors = Vec::new();
    let by_port = if targets.is_empty() || targets.iter().any(|target| target.address.is_none()) {
        match survey_all() {
            Ok(survey) => by_port(&survey),
            Err(error) => return (Vec::new(), vec![error]),
        }
    } else {
        BTreeMap::new()
    };
    if targets.is_empty() {
        return (by_port.into_values().collect(), errors);
    }
    let mut listings = Vec::new();
    for &target in targets {
        if target.address.is_none() {
            listings.push(narrow(target, by_port.get(&target.port)));
            continue;
        }
        match survey(target) {
            Ok(survey) => listings.push(Listing {
                target,
                holders: survey.holders().to_vec(),
                hidden: survey.hidden().to_vec(),
                containers: Vec::new(),
            }),
            Err(error) => errors.push(error),
        }
    }
    (listings, errors)
}

/// Puts the containers in the place of their forwarders. The engines are asked only where that may matter: a forwarder
/// holds a port, or nobody to be seen does. `all` asks for every port there is.
fn add_containers(listings: &mut Vec<Listing>, all: bool) {
    let may_be_one = |listing: &Listing| {
        let is_forwarded = |holder: &Holder| forwarder(&holder.process).is_some();
        listing.holders.is_empty()
            || listing.holders.iter().any(is_forwarded)
            || !listing.hidden.is_empty()
    };
    if !all && !listings.iter().any(may_be_one) {
        return;
    }
    let published = published();
    for error in &published.errors {
        output::complain(&format!(
            "{} {}\n",
            paint(WARN, "warning:"),
            printable(&error.to_string())
        ));
    }
    if all {
        // A port that only a packet filter forwards has no socket.
        for port in published
            .containers
            .iter()
            .flat_map(|container| &container.ports)
        {
            let is_listed = |listing: &Listing| listing.target.port == port.host_port;
            if !listings.iter().any(is_listed) {
                listings.push(Listing {
                    target: Target::new(port.host_port),
                    holders: Vec::new(),
                    hidden: Vec::new(),
                    containers: Vec::new(),
                });
            }
        }
    }
    for listing in listings.iter_mut().filter(|listing| may_be_one(listing)) {
        listing.containers = published
            .containers
            .iter()
            .filter(|container| container.publishes(&listing.target))
            .cloned()
            .collect();
        let covers = |socket: &Socket| {
            let target = Target::new(socket.port).protocol(socket.protocol);
            listing
                .containers
                .iter()
                .any(|container| container.publishes(&target))
        };
        listing.holders.retain(|holder| {
            forwarder(&holder.process).is_none() || !holder.sockets.iter().all(covers)
        });
        listing.hidden.retain(|hidden| !covers(&hidden.socket));
    }
}

fn by_port(survey: &Survey) -> BTreeMap<u16, Listing> {
    let mut ports: BTreeMap<u16, Listing> = BTreeMap::new();
    let empty = |port: u16| Listing {
        target: Target::new(port),
        holders: Vec::new(),
        hidden: Vec::new(),
        containers: Vec::new(),
    };
    for holder in survey.holders() {
        let mut numbers: Vec<u16> = holder.sockets.iter().map(|socket| socket.port).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for port in numbers {
            let mut holder = holder.clone();
            holder.sockets.retain(|socket| socket.port == port);
            ports
                .entry(port)
                .or_insert_with(|| empty(port))
                .holders
                .push(holder);
        }
    }
    for hidden in survey.hidden() {
        let port = hidden.socket.port;
        ports
            .entry(port)
            .or_insert_with(|| empty(port))
            .hidden
            .push(hidden.clone());
    }
    ports
}

/// The part of a port's listing that has the target's protocol.
fn narrow(target: Target, listing: Option<&Listing>) -> Listing {
    let is_asked = |protocol| target.protocol.is_none_or(|asked| asked == protocol);
    let mut holders = listing
        .map(|listing| listing.holders.clone())
        .unwrap_or_default();
    for holder in &mut holders {
        holder.sockets.retain(|socket| is_asked(socket.protocol));
    }
    holders.retain(|holder| !holder.sockets.is_empty());
    let mut hidden = listing
        .map(|listing| listing.hidden.clone())
        .unwrap_or_default();
    hidden.retain(|hidden| is_asked(hidden.socket.protocol));
    Listing {
        target,
        holders,
        hidden,
        containers: Vec::new(),
    }
}
