//! Who holds a target, without signalling anybody: the kernel's sockets joined with processes.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use crate::error::{Error, HiddenCause};
use crate::holder::{Holder, Process, Socket, SocketId};
use crate::sys::{self, Depth, Found, Handle, Ports, Table};
use crate::target::Target;

/// How long a socket may outlive its last holder: a descriptor in an io_uring goes 20 to 30 ms after its process. One that
/// has no holder is called hidden only if it is still there after this time.
pub(crate) const LINGER: Duration = Duration::from_millis(50);

/// How often a look is repeated for the sake of sockets whose last holder may just have ended. Where processes come and go all the
/// time, there is always one.
pub(crate) const LOOKS: usize = 4;

/// What was found at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    sockets: Vec<Socket>,
    holders: Vec<Holder>,
    hidden: Vec<HiddenSocket>,
}

/// A listening socket without a holder to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HiddenSocket {
    /// The socket.
    pub socket: Socket,
    /// Why nobody is seen.
    pub cause: HiddenCause,
    /// Processes whose descriptors can't be read and that may hold it: a guess. Empty where too many might.
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

/// Who holds the target. Looks at every descriptor that can be read, and signals nobody.
///
/// On Linux it rests on `sock_diag(7)` (or `/proc/net`, where that is refused) and on `/proc/PID/fd`.
///
/// # Errors
/// Where the system can't be asked: see [`Obstacle::System`](crate::Obstacle::System).
pub fn survey(target: impl Into<Target>) -> Result<Survey, Error> {
    let target = target.into();
    let ports = [(target.port, target.protocol)];
    take(Ports::These(&ports), |socket| target.is_blocked_by(socket))
        .map_err(|error| Error::system(target, "looking at the port", error))
}

/// Who holds anything: every listening socket of this network namespace.
///
/// # Errors
/// Where the system can't be asked. The target of such an error has port 0.
pub fn survey_all() -> Result<Survey, Error> {
    take(Ports::All, |_| true)
        .map_err(|error| Error::system(Target::port(0), "looking at all ports", error))
}

fn take(ports: Ports<'_>, wanted: impl Fn(&Socket) -> bool) -> io::Result<Survey> {
    let mut table = Table::open()?;
    let (mut sockets, mut found) = look(&mut table, ports, &wanted)?;
    let mut before = HashSet::new();
    for _ in 0..LOOKS {
        let unheld = found.unheld(&sockets);
        // Those that had no holder at the last look have been given their time.
        if unheld.is_subset(&before) {
            break;
        }
        before = unheld;
        std::thread::sleep(LINGER);
        (sockets, found) = look(&mut table, ports, &wanted)?;
    }
    Ok(join(sockets, &found))
}

fn look(
    table: &mut Table,
    ports: Ports<'_>,
    wanted: &impl Fn(&Socket) -> bool,
) -> io::Result<(Vec<Socket>, Found)> {
    let mut sockets = Vec::new();
    table.listening(ports, &mut sockets)?;
    table.bound(ports, &mut sockets)?;
    sockets.retain(wanted);
    let found = if sockets.is_empty() {
        Found::default()
    } else {
        table.find(&sockets, Depth::Complete)?
    };
    Ok((sockets, found))
}

impl Found {
    /// Those of these sockets that have no holder.
    fn unheld(&self, sockets: &[Socket]) -> HashSet<SocketId> {
        let held = self.held();
        let ids = sockets.iter().map(|socket| socket.id);
        ids.filter(|id| !held.contains(id)).collect()
    }

    /// The sockets that have a holder.
    pub(crate) fn held(&self) -> HashSet<SocketId> {
        let all = self.holders.iter().flat_map(|(_, sockets)| sockets);
        all.copied().collect()
    }
}

fn join(mut sockets: Vec<Socket>, found: &Found) -> Survey {
    let mut names = UserNames::default();
    for socket in &mut sockets {
        names.fill(socket);
    }
    sockets.sort_by_key(|socket| (socket.port, socket.protocol, socket.address, socket.id));
    let held = found.held();
    let hidden = sockets
        .iter()
        .filter(|socket| !held.contains(&socket.id))
        .map(|socket| hidden(socket.clone(), &found.unreadable))
        .collect();
    let mut holders: Vec<Holder> = found
        .holders
        .iter()
        .map(|(handle, ids)| Holder {
            process: handle.describe(),
            sockets: sockets
                .iter()
                .filter(|socket| ids.contains(&socket.id))
                .cloned()
                .collect(),
        })
        .collect();
    holders.sort_by_key(|holder| holder.process.pid);
    Survey {
        sockets,
        holders,
        hidden,
    }
}

/// What is known of a socket that nobody is seen to hold.
pub(crate) fn hidden(mut socket: Socket, unreadable: &[u32]) -> HiddenSocket {
    UserNames::default().fill(&mut socket);
    let cause = if unreadable.is_empty() {
        HiddenCause::Elsewhere
    } else {
        HiddenCause::Unreadable
    };
    HiddenSocket {
        candidates: candidates(&socket, unreadable),
        socket,
        cause,
    }
}

/// The processes of the socket's user that can't be read, if they are so few that naming them helps.
fn candidates(socket: &Socket, unreadable: &[u32]) -> Vec<Process> {
    const FEW: usize = 3;
    let of_its_user = unreadable
        .iter()
        .filter_map(|&pid| Handle::open(pid).ok().flatten())
        .filter(|handle| !handle.is_kernel())
        .map(|handle| handle.describe())
        .filter(|process| socket.uid.is_some() && process.uid == socket.uid);
    let few: Vec<Process> = of_its_user.take(FEW + 1).collect();
    if few.len() > FEW { Vec::new() } else { few }
}

/// Users' names, each looked up once.
#[derive(Default)]
struct UserNames(HashMap<u32, Option<String>>);

impl UserNames {
    fn fill(&mut self, socket: &mut Socket) {
        if let (Some(uid), None) = (socket.uid, &socket.user) {
            let name = self.0.entry(uid).or_insert_with(|| sys::user_name(uid));
            socket.user.clone_from(name);
        }
    }
}
