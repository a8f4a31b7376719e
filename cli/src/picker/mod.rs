//! The picker: without a port on a terminal, a person chooses from a list of who listens.
//!
//! It is a list between the other lines of the terminal, and not a screen of its own: what was there stays there. What is chosen goes the
//! way of `--interactive`, so that nobody is ended who was not shown.

mod draw;
pub mod key;
mod look;
mod plain;
pub mod row;
mod screen;
mod state;
mod terminal;

use std::io;
use std::time::Duration;

use kill_port::{Error, Target, printable};
use log::LevelFilter;

use crate::answer::Answers;
use crate::ask;
use crate::exit::Exit;
use crate::output;
use crate::picker::key::News;
use crate::picker::look::{Look, Looks, look};
use crate::picker::row::Scope;
use crate::picker::screen::Screen;
use crate::picker::state::{State, Wish};
use crate::picker::terminal::{Terminal, is_dumb, size, terminal};
use crate::ports::Ports;
use crate::request::{Request, Verb};
use crate::verbs;

/// A first look that takes longer is waited for with a list that is empty so far.
const SOON: Duration = Duration::from_millis(150);

/// The number of SIGINT, and of SIGHUP, on every Unix.
const INTERRUPT: u8 = 2;
const HANGUP: u8 = 1;

/// Why nothing was chosen.
enum Unchosen {
    /// Somebody left.
    Left(Exit),
    /// Nobody listens.
    Empty,
    /// Nobody could look.
    Unseen(Error),
}

impl From<Exit> for Unchosen {
    fn from(exit: Exit) -> Self {
        Self::Left(exit)
    }
}

/// The terminal takes and gives nothing any more.
impl From<io::Error> for Unchosen {
    fn from(_: io::Error) -> Self {
        Self::Left(Exit::Interrupted(HANGUP))
    }
}

/// Lets a person choose ports, and does with them what the request wants done.
///
/// # Errors
/// How the command ends where nothing was chosen.
pub fn pick(request: &mut Request, scope: &Scope) -> Result<Answers, Exit> {
    let picked = match start(request, scope) {
        Some((mut terminal, mut looks)) => from_list(request, &mut terminal, &mut looks),
        None => from_numbers(request, scope),
    };
    match picked {
        Ok(answers) => Ok(answers),
        Err(Unchosen::Left(exit)) => Err(exit),
        Err(Unchosen::Empty) => {
            if !request.quiet {
                output::complain(&match &scope.within {
                    Some(folder) => format!(
                        "nobody who works in {} listens\n",
                        printable(&folder.to_string_lossy())
                    ),
                    None => "nobody listens\n".to_owned(),
                });
            }
            Ok(Answers::default())
        }
        Err(Unchosen::Unseen(error)) => Ok(Answers {
            errors: vec![error],
            ..Answers::default()
        }),
    }
}

/// The terminal and who looks, if the list can be shown on this one.
fn start(request: &Request, scope: &Scope) -> Option<(Terminal, Looks)> {
    if is_dumb() {
        return None;
    }
    let terminal = terminal().ok()?;
    let looks = Looks::start(request, scope, terminal.waker().ok()?).ok()?;
    Some((terminal, looks))
}

/// Chooses until the answer is a yes.
fn from_list(
    request: &mut Request,
    terminal: &mut Terminal,
    looks: &mut Looks,
) -> Result<Answers, Unchosen> {
    let mut state = State::default();
    if let Some(look) = looks.wait(SOON) {
        take(&mut state, look)?;
    }
    loop {
        let targets = choose(terminal, looks, &mut state)?;
        terminal.forget_keys();
        if let Some(answers) = carry_out(request, targets) {
            return Ok(answers);
        }
    }
}

/// Chooses once from numbered lines: a terminal that can't move its cursor can't show them again in the same place.
fn from_numbers(request: &mut Request, scope: &Scope) -> Result<Answers, Unchosen> {
    let rows = look(request, scope).map_err(Unchosen::Unseen)?;
    if rows.is_empty() {
        return Err(Unchosen::Empty);
    }
    let targets = plain::choose(&rows, size().columns).ok_or(Exit::Failed)?;
    carry_out(request, targets).ok_or(Unchosen::Left(Exit::Failed))
}

/// Shows the list until something is chosen from it.
fn choose(
    terminal: &mut Terminal,
    looks: &mut Looks,
    state: &mut State,
) -> Result<Vec<Target>, Unchosen> {
    // The log would be written into the list.
    let level = log::max_level();
    log::set_max_level(LevelFilter::Off);
    let mut screen = Screen::default();
    let chosen = follow(terminal, looks, state, &mut screen);
    screen.clear();
    if matches!(chosen, Err(Unchosen::Left(Exit::Interrupted(_)))) {
        // Whoever goes with the terminal hears of that by a signal as well, which makes no difference any more.
        Terminal::restore();
    } else {
        terminal.leave();
    }
    log::set_max_level(level);
    // One may have come after the last look at the terminal.
    match terminal.signal() {
        Some(signal) => Err(Exit::Interrupted(signal).into()),
        None => chosen,
    }
}

fn follow(
    terminal: &mut Terminal,
    looks: &mut Looks,
    state: &mut State,
    screen: &mut Screen,
) -> Result<Vec<Target>, Unchosen> {
    terminal.enter()?;
    loop {
        let size = size();
        screen.show(draw::draw(state, size), size)?;
        let keys = match terminal.wait(looks.next()) {
            News::Keys(keys) => keys,
            #[cfg(unix)]
            News::Signal(signal) => return Err(Exit::Interrupted(signal).into()),
            News::Gone => return Err(Exit::Interrupted(HANGUP).into()),
            #[cfg(unix)]
            News::Back => {
                *screen = Screen::default();
                terminal.enter()?;
                continue;
            }
        };
        // Before the keys: they were pressed at what was to be seen.
        for key in keys {
            match state.press(key) {
                Wish::None => {}
                Wish::Free(targets) => return Ok(targets),
                Wish::Leave => return Err(Exit::Failed.into()),
                Wish::Interrupt => return Err(Exit::Interrupted(INTERRUPT).into()),
                Wish::Suspend => {
                    screen.clear();
                    terminal.suspend()?;
                }
            }
        }
        if let Some(look) = looks.news() {
            take(state, look)?;
        }
    }
}

/// Takes what was seen. Where one look fails another may not; if it is the first, there is nothing to choose from.
fn take(state: &mut State, look: Look) -> Result<(), Unchosen> {
    match look {
        Ok(rows) if rows.is_empty() && !state.has_looked() => return Err(Unchosen::Empty),
        Ok(rows) => state.look(rows),
        Err(error) if !state.has_looked() => return Err(Unchosen::Unseen(error)),
        Err(_) => {}
    }
    Ok(())
}

/// Shows what would happen to these, asks, and does it. `None` if the answer is no.
fn carry_out(request: &mut Request, targets: Vec<Target>) -> Option<Answers> {
    request.ports = Ports::single(targets);
    match request.verb {
        Verb::DryRun => Some(verbs::plan(request)),
        _ => ask::ask_once(request),
    }
}
