//! Who holds a target, without signalling anybody: the kernel's sockets joined with processes.

use crate::error::{Error, HiddenCause};
use crate::holder::{Holder, Process, Socket};
use crate::target::Target;

/// What was found at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) holders: Vec<Holder>,
    pub(crate) hidden: Vec<HiddenSocket>,
}

/// A listening socket without a holder to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HiddenSocket {
    /// The socket.
    pub socket: Socket,
    /// Why nobody is seen.
    pub cause: HiddenCause,
    /// Processes whose descriptors can't be read and that may hold it: a guess.
    pub candidates: Vec<Process>,
}

impl Survey {
    /// The processes that hold at least one of the sockets, by PID.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// The sockets of which no holder can be seen.
    #[must_use]
    pub fn hidden(&self) -> &[HiddenSocket] {
        &self.hidden
    }

    /// Every listening socket of the target, held or hidden, by port.
    #[must_use]
    pub fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// Whether no listening socket of the target is there.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.sockets.is_empty()
    }
}

/// Who holds the target. Looks at everything and signals nobody.
///
/// # Errors
/// Where the system can't be asked: see [`Obstacle::System`](crate::Obstacle::System).
pub fn survey(target: impl Into<Target>) -> Result<Survey, Error> {
    let _ = target.into();
    todo!()
}

/// Who holds anything: every listening socket of this network namespace.
///
/// # Errors
/// Where the system can't be asked. The target of such an error has port 0.
pub fn survey_all() -> Result<Survey, Error> {
    todo!()
}
