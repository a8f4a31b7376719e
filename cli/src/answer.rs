//! What came of a request: data for whichever writer prints it.

use std::collections::BTreeMap;
use std::rc::Rc;

use kill_port::containers::{Container, EngineError};
use kill_port::{
    Connection, ConnectionState, Error, Explanation, Freed, HiddenSocket, Obstacle, Plan, Process,
    Protocol, Socket, Target,
};

use crate::exit::{Exit, Status};

/// The answers about all ports.
#[derive(Debug, Default)]
pub struct Answers {
    /// In the order asked; a list goes by port.
    pub ports: Vec<(Target, Answer)>,
    /// Why there is no answer about a port, or about any.
    pub errors: Vec<Error>,
    /// What is worth knowing beside the answers.
    pub notes: Vec<Note>,
    /// Container engines that a list could not ask.
    pub silent_engines: Vec<EngineError>,
    /// The signal that interrupted it.
    pub interrupted: Option<u8>,
}

/// A sentence about one port that changes nothing of its answer.
#[derive(Debug)]
pub struct Note {
    pub target: Target,
    pub text: String,
}

/// The answer about one port.
#[derive(Debug)]
pub enum Answer {
    /// It was to be freed.
    Freed(Result<Freed, Error>),
    /// What freeing it would do.
    Planned(Result<Plan, Error>),
    /// A person said no.
    Declined,
    /// Who holds it.
    Listed(Listing),
    /// Everything about it.
    Explained(Box<Explanation>),
}

/// Who holds one port. A process may hold thousands: what is the same on each is shared.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub holders: Vec<Listener>,
    /// Sockets of which no holder can be seen.
    pub hidden: Vec<HiddenSocket>,
    /// The containers that publish it. Their forwarders are not among the holders then.
    pub containers: Vec<Rc<Container>>,
}

/// A process and those of its sockets that are on one port.
#[derive(Debug, Clone)]
pub struct Listener {
    pub process: Rc<Process>,
    pub sockets: Vec<Socket>,
}

impl Listing {
    /// Whether nobody listens.
    pub fn is_free(&self) -> bool {
        self.holders.is_empty() && self.hidden.is_empty() && self.containers.is_empty()
    }
}

impl Answers {
    /// What is worth knowing about this port.
    pub fn notes(&self, target: Target) -> impl Iterator<Item = &str> {
        let own = self.notes.iter().filter(move |note| note.target == target);
        own.map(|note| note.text.as_str())
    }

    /// The one exit code of all.
    pub fn exit(&self, fail_if_free: bool) -> Exit {
        if let Some(signal) = self.interrupted {
            return Exit::Interrupted(signal);
        }
        let answered = self.ports.iter().map(|(_, answer)| answer.status());
        let failed = self.errors.iter().map(|_| Status::Failed);
        Exit::merge(answered.chain(failed), fail_if_free)
    }
}

impl Answer {
    /// What it means for the exit code. A port that was only shown was dealt with.
    pub fn status(&self) -> Status {
        let is_free = match self {
            Self::Freed(Err(_)) | Self::Planned(Err(_)) | Self::Declined => return Status::Failed,
            Self::Planned(Ok(plan)) if !plan.would_free() => return Status::Failed,
            Self::Freed(Ok(freed)) => freed.was_free(),
            Self::Planned(Ok(plan)) => plan.holders.is_empty() && plan.containers.is_empty(),
            Self::Listed(listing) => listing.is_free(),
            Self::Explained(explanation) => {
                explanation.survey.is_free() && explanation.plan.containers.is_empty()
            }
        };
        if is_free {
            Status::AlreadyFree
        } else {
            Status::Done
        }
    }

    /// Whether nobody holds it and nothing else stands in the way of a bind, as far as was looked at.
    pub fn is_unremarkable(&self) -> bool {
        let is_bindable = match self {
            Self::Explained(explanation) => {
                explanation.can_be_bound()
                    && explanation.causes.is_empty()
                    && explanation.elsewhere.is_empty()
            }
            _ => true,
        };
        is_bindable && self.status() == Status::AlreadyFree
    }

    /// Who holds it, of an answer to a list.
    pub fn listing(&self) -> Option<&Listing> {
        match self {
            Self::Listed(listing) => Some(listing),
            _ => None,
        }
    }

    /// What is in the way.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Freed(Err(error)) | Self::Planned(Err(error)) => Some(error),
            Self::Planned(Ok(plan)) => plan.error.as_ref(),
            Self::Explained(explanation) => explanation.plan.error.as_ref(),
            Self::Freed(Ok(_)) | Self::Declined | Self::Listed(_) => None,
        }
    }
}

/// Connections in the same state.
pub fn by_state(
    explanation: &Explanation,
) -> BTreeMap<(Protocol, ConnectionState), Vec<&Connection>> {
    let mut groups: BTreeMap<_, Vec<&Connection>> = BTreeMap::new();
    for connection in &explanation.connections {
        let state = (connection.protocol, connection.state);
        groups.entry(state).or_default().push(connection);
    }
    groups
}

/// In which state a port is that was not freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Somebody holds it.
    Held,
    /// Nobody listens, and yet it can't be bound.
    InUse,
    /// The system did not answer.
    Unknown,
    /// Ctrl-C was pressed.
    Broken,
}

impl State {
    /// What is left by what is in the way.
    pub fn after(error: &Error) -> Self {
        let is_any = |which: fn(&Obstacle) -> bool| error.obstacles().iter().any(which);
        let is_all = |which: fn(&Obstacle) -> bool| error.obstacles().iter().all(which);
        if is_any(|obstacle| matches!(obstacle, Obstacle::Cancelled)) {
            Self::Broken
        } else if is_all(|obstacle| matches!(obstacle, Obstacle::System { .. })) {
            Self::Unknown
        } else if is_all(|obstacle| {
            matches!(
                obstacle,
                Obstacle::Client { .. }
                    | Obstacle::Lingering { .. }
                    | Obstacle::Unbindable { .. }
                    | Obstacle::Fleeting { .. }
            )
        }) {
            Self::InUse
        } else {
            Self::Held
        }
    }
}
