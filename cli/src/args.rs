//! The command line: which options there are, and which contradict each other.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum, ValueHint,
};
use clap_complete::Shell;
use kill_port::{Protocol, Signal};

use crate::duration;
use crate::help;
use crate::words::quoted;

/// The options that make no sense where nobody is ended.
const ENDING: [&str; 12] = [
    "signal",
    "force",
    "grace",
    "no_escalate",
    "settle",
    "tree",
    "supervisor",
    "include",
    "include_ancestors",
    "connections",
    "dry_run",
    "interactive",
];

/// Free a network port: end what holds it, politely first, never the wrong process
#[derive(Debug, Parser)]
#[command(
    name = "kill_port",
    version,
    max_term_width = 100,
    disable_help_flag = true,
    disable_version_flag = true,
    override_usage = "kill_port [OPTIONS] [PORT]..."
)]
pub struct Args {
    /// 8080, 3000-3010, 53/udp, 127.0.0.1:8080, a pasted URL, or several
    ///
    /// 8080, :8080, a range 3000-3010, a list 3000,3001, one protocol 53/udp, one address 127.0.0.1:8080 or
    /// [::1]:8080 or localhost:8080, any address *:3000, or a URL such as http://localhost:3000/path, whose default
    /// port counts. An address may be pasted as a program prints it, such as *:http-alt or 0.0.0.0:8080->80/tcp.
    /// Without a protocol, TCP and UDP are both freed.
    #[arg(value_name = "PORT", value_hint = ValueHint::Other, display_order = 0, help_heading = help::WHAT)]
    pub ports: Vec<String>,

    /// The same as PORT, for those who look for an option
    #[arg(short = 'p', long = "port", value_name = "PORT", hide = true, value_hint = ValueHint::Other)]
    pub named_ports: Vec<String>,

    /// TCP only
    #[arg(long, conflicts_with = "udp", hide_short_help = true, help_heading = help::WHAT)]
    pub tcp: bool,

    /// UDP only
    #[arg(long, hide_short_help = true, help_heading = help::WHAT)]
    pub udp: bool,

    /// The first signal instead of TERM
    ///
    /// TERM, INT, HUP, QUIT, ABRT, USR1, USR2 or KILL, with or without SIG, in any case, or its number. If none is
    /// named, it is TERM; PostgreSQL and uWSGI get INT, which is how they are told to stop at once.
    ///
    /// SIGKILL follows all of them when the grace is over. Windows has no signals: TERM, INT and KILL all end the
    /// process tree at once there, and the others are refused.
    #[arg(short, long, value_name = "SIGNAL", value_parser = Signals, hide_possible_values = true, hide_short_help = true, help_heading = help::HOW)]
    pub signal: Option<Signal>,

    /// SIGKILL at once (also -9)
    #[arg(short, short_alias = '9', long, conflicts_with_all = ["signal", "grace", "no_escalate"], help_heading = help::HOW)]
    pub force: bool,

    /// How long before SIGKILL: 500ms, 5s, 2m [default: 10s]
    ///
    /// A bare number is seconds.
    #[arg(short = 't', long, value_name = "DURATION", value_parser = duration::parse, value_hint = ValueHint::Other, help_heading = help::HOW)]
    pub grace: Option<Duration>,

    /// Never SIGKILL
    #[arg(long, hide_short_help = true, help_heading = help::HOW)]
    pub no_escalate: bool,

    /// How long a port has to stay free where a supervisor may be at work [default: 200ms, with --supervisor 3s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, value_hint = ValueHint::Other, hide_short_help = true, help_heading = help::HOW)]
    pub settle: Option<Duration>,

    /// Ask about each port before anybody is signalled
    ///
    /// Without a port, choose from a list of who listens; on a terminal, `kill_port` alone does that as well. What is chosen is shown as
    /// by `--dry-run`, and asked about once.
    #[arg(short, long, conflicts_with_all = ["dry_run", "json"], hide_short_help = true, help_heading = help::HOW)]
    pub interactive: bool,

    /// Nobody is asked anyhow
    #[arg(short, long, hide = true, conflicts_with = "interactive")]
    pub yes: bool,

    /// End only who works in this folder or below
    ///
    /// Who works elsewhere is spared and named with its folder, and so is who works nobody can see where. A container counts by
    /// the folder of its compose project. Scripts and agents should always say it: on a port that another project's server has
    /// taken, nothing is ended then. With --tree, descendants end wherever they work. Windows does not tell where a process works, so that nobody is ended there.
    #[arg(long = "in", value_name = "DIR", value_hint = ValueHint::DirPath, hide_short_help = true, help_heading = help::WHO)]
    pub within: Option<PathBuf>,

    /// Also end all descendants of the holders
    #[arg(long, hide_short_help = true, help_heading = help::WHO)]
    pub tree: bool,

    /// Also end a parent that was seen to start them again, or is known as a watcher such as nodemon
    ///
    /// A parent on which other servers depend is spared, and so is a shell that somebody types into.
    #[arg(long, hide_short_help = true, help_heading = help::WHO)]
    pub supervisor: bool,

    /// Also end those who are spared otherwise
    ///
    /// `ancestors` are those above this command: its shell, editor or test runner. The command itself and PID 1 are always spared.
    /// `editors` are editors and IDEs, and their servers on this machine: their windows end with them. `forwarders` are processes that
    /// forward the port to a container: meant for one that no engine knows any more. Any other leaves its container without the port, and
    /// some forward for all containers.
    #[arg(long, value_name = "WHO", value_enum, value_delimiter = ',', hide_short_help = true, help_heading = help::WHO)]
    pub include: Vec<Who>,

    /// The same as `--include ancestors`
    #[arg(long, hide = true)]
    pub include_ancestors: bool,

    /// Also end clients whose local port it is
    ///
    /// A process that uses the port as the local port of its own connection keeps servers from binding it, and so does one that
    /// keeps a connection of a server that is gone.
    #[arg(long, hide_short_help = true, help_heading = help::WHO)]
    pub connections: bool,

    /// Whether a container that publishes the port is stopped, through its engine
    ///
    /// A process that only forwards the port to a container is never signalled. With `auto` the engines (Docker,
    /// Podman and others like them) are asked where such a process holds the port, or nobody known does; with `only`
    /// containers are stopped and processes left alone.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Containers::Auto, hide_short_help = true, help_heading = help::WHO)]
    pub containers: Containers,

    /// Show who would be signalled, and signal nobody
    ///
    /// Also who would be spared, and why.
    #[arg(short = 'n', long, help_heading = help::LOOK)]
    pub dry_run: bool,

    /// Show who listens, on all ports if none is named
    ///
    /// Nobody is signalled.
    #[arg(short, long, conflicts_with = "within", conflicts_with_all = ENDING, help_heading = help::LOOK)]
    pub list: bool,

    /// Show who holds it, where it came from, what to do
    ///
    /// Also why a port that nobody holds can't be bound. Nobody is signalled.
    #[arg(long, conflicts_with = "list", conflicts_with_all = ENDING, help_heading = help::LOOK)]
    pub why: bool,

    /// Print one JSON object, for programs
    #[arg(long, hide_short_help = true, help_heading = help::OUTPUT)]
    pub json: bool,

    /// Exit 3 if nothing held any of the ports
    #[arg(long, hide_short_help = true, help_heading = help::OUTPUT)]
    pub fail_if_free: bool,

    /// Print errors only
    #[arg(short, long, conflicts_with = "verbose", hide_short_help = true, help_heading = help::OUTPUT)]
    pub quiet: bool,

    /// Tell every detail and each worker, and log what happens to stderr; repeat for more
    #[arg(short, long, action = ArgAction::Count, hide_short_help = true, help_heading = help::OUTPUT)]
    pub verbose: u8,

    #[command(flatten)]
    pub colors: Colors,

    /// Print a completion script for this shell
    #[arg(long, value_name = "SHELL", exclusive = true, hide_short_help = true, help_heading = help::OUTPUT)]
    pub completions: Option<Completions>,

    /// Print the manual page
    #[arg(long, exclusive = true, hide_short_help = true, help_heading = help::OUTPUT)]
    pub man: bool,

    /// Print help: with -h the first things, with --help everything
    #[arg(short, long, action = ArgAction::Help, hide_short_help = true, help_heading = help::OUTPUT)]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, hide_short_help = true, help_heading = help::OUTPUT)]
    version: Option<bool>,

    /// What was given of all these, but for the ports.
    #[arg(skip)]
    pub given: Vec<Given>,
}

/// An option of this command line, as it can be written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// What it is called here.
    pub id: String,
    /// `--grace 3s`
    pub text: String,
}

/// Those of which a command in a help has no need: the target has the protocol, and the others change only what is printed.
const NOT_REPEATED: [&str; 10] = [
    "ports",
    "named_ports",
    "tcp",
    "udp",
    "yes",
    "json",
    "quiet",
    "verbose",
    "color",
    "fail_if_free",
];

/// The option that help and errors obey as well, wherever it stands.
#[derive(Debug, clap::Args)]
pub struct Colors {
    /// When to use colours [default: auto]
    #[arg(long, value_name = "WHEN", value_enum, hide_short_help = true, help_heading = help::OUTPUT)]
    color: Option<Color>,
}

/// A command line of which nothing else is understood.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, ignore_errors = true)]
struct ColorsAlone {
    #[command(flatten)]
    colors: Colors,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What `--completions` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completions {
    /// The script of a shell.
    Script(Shell),
    /// What that script asks for at Tab: the ports that are listened on.
    Ports,
}

impl ValueEnum for Completions {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Script(Shell::Bash),
            Self::Script(Shell::Elvish),
            Self::Script(Shell::Fish),
            Self::Script(Shell::PowerShell),
            Self::Script(Shell::Zsh),
            Self::Ports,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Script(shell) => shell.to_possible_value(),
            Self::Ports => Some(PossibleValue::new("ports").hide(true)),
        }
    }
}

/// Those who are spared unless they are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Who {
    /// The processes above this command
    Ancestors,
    /// Editors, IDEs and their servers on this machine
    Editors,
    /// Processes that forward the port to a container
    Forwarders,
}

/// Whether containers are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Containers {
    /// Where a forwarder holds the port, or nobody known does
    Auto,
    /// Never; a forwarder is spared all the same
    Never,
    /// Containers only; no process is signalled
    Only,
}

impl From<Containers> for kill_port::containers::Containers {
    fn from(containers: Containers) -> Self {
        match containers {
            Containers::Auto => Self::Auto,
            Containers::Never => Self::Never,
            Containers::Only => Self::Only,
        }
    }
}

impl Colors {
    /// Makes everything that is printed from now on obey it.
    fn apply(&self) {
        match self.color {
            None | Some(Color::Auto) => anstream::ColorChoice::Auto,
            Some(Color::Always) => anstream::ColorChoice::Always,
            Some(Color::Never) => anstream::ColorChoice::Never,
        }
        .write_global();
    }

    /// The option of a command line that asks for help, or is wrong: clap stops at the first argument that makes it so, and is asked
    /// about each argument with the one behind it.
    fn find(arguments: &[OsString]) -> Self {
        let color = arguments
            .split(|argument| argument == "--")
            .next()
            .into_iter()
            .flat_map(|arguments| (0..arguments.len()).filter_map(|start| arguments.get(start..)))
            .filter_map(|rest| ColorsAlone::try_parse_from(rest.iter().take(2)).ok())
            .find_map(|alone| alone.colors.color);
        Self { color }
    }
}

impl Args {
    /// Parses the command line, of which the first argument is the program's name, and makes everything obey its colours.
    pub fn parse_from_all(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let parsed = Self::try_from_all(arguments);
        match &parsed {
            Ok(args) => args.colors.apply(),
            Err(_) => Colors::find(arguments).apply(),
        }
        parsed
    }

    fn try_from_all(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(arguments);
        let mut matches = matches.map_err(|error| help::whole(error, &mut command, arguments))?;
        let given = command
            .get_arguments()
            .filter_map(|option| given(option, &matches))
            .collect();
        let args = Self::from_arg_matches_mut(&mut matches);
        let args = args.map_err(|error| error.format(&mut command))?;
        Ok(Self { given, ..args })
    }

    /// The one protocol that `--tcp` or `--udp` asks for.
    pub fn protocol(&self) -> Option<Protocol> {
        match (self.tcp, self.udp) {
            (true, _) => Some(Protocol::Tcp),
            (_, true) => Some(Protocol::Udp),
            _ => None,
        }
    }
}

/// The option, if it was given and is to be repeated.
fn given(option: &clap::Arg, matches: &ArgMatches) -> Option<Given> {
    let id = option.get_id().as_str();
    if NOT_REPEATED.contains(&id) || matches.value_source(id) != Some(ValueSource::CommandLine) {
        return None;
    }
    let mut text = format!("--{}", option.get_long()?);
    if option.get_action().takes_values() {
        let values = matches.get_raw(id)?.map(OsStr::to_string_lossy);
        let values: Vec<_> = values.collect();
        text += &format!(" {}", quoted(&values.join(",")));
    }
    Some(Given {
        id: id.to_owned(),
        text,
    })
}

/// The signals that may come first. Shells offer those by name; other ways to write them are understood as well.
#[derive(Debug, Clone, Copy)]
struct Signals;

impl TypedValueParser for Signals {
    type Value = Signal;

    fn parse_ref(
        &self,
        command: &clap::Command,
        option: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Signal, clap::Error> {
        TypedValueParser::parse_ref(&signal, command, option, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let supported = Signal::ALL
            .into_iter()
            .filter(|signal| signal.is_supported());
        Some(Box::new(
            supported.map(|signal| PossibleValue::new(signal.name())),
        ))
    }
}

fn signal(text: &str) -> Result<Signal, String> {
    let signal: Signal = text
        .parse()
        .map_err(|error: kill_port::ParseSignalError| error.to_string())?;
    if signal.is_supported() {
        Ok(signal)
    } else {
        Err(format!(
            "Windows has no {signal}; TERM, INT and KILL all end the process tree at once"
        ))
    }
}

/// The signal that is an argument by itself, as `kill` takes it: `-15` or `-INT`.
pub fn signal_alone(arguments: &[OsString]) -> Option<Signal> {
    let mut options = arguments.iter().take_while(|argument| *argument != "--");
    options.find_map(|argument| argument.to_str()?.strip_prefix('-')?.parse().ok())
}

/// clap's error as one line without its usage text, so that it reads like the command's other errors.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut line = String::new();
    for part in text.lines() {
        if part.starts_with("Usage:") || part.starts_with("For more information") {
            break;
        }
        let part = part.trim();
        let part = part.strip_prefix("error: ").unwrap_or(part);
        // Nobody wants an unknown option to be taken for a port.
        if part.is_empty() || part.starts_with("tip: to pass") {
            continue;
        }
        if !line.is_empty() {
            line.push_str(if part.starts_with("tip:") { "; " } else { " " });
        }
        line.push_str(&kill_port::printable(part));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Args, String> {
        let words = std::iter::once("kill_port").chain(line.split(' '));
        Args::try_parse_from(words).map_err(|error| one_line(&error))
    }

    #[test]
    fn contradictions_are_errors_of_one_line() {
        for line in [
            "-f -s INT 1",
            "-f -t 3 1",
            "-f --no-escalate 1",
            "-f -s INT -t 3 --no-escalate 1",
            "--tcp --udp 1",
            "-s NONE 1",
            "-t soon 1",
            "--forse 1",
            "--color pink 1",
            "-s",
            "-q -v 1",
            "-l -n 1",
            "-l --in / 1",
            "-l -f",
            "1 --list --tree",
            "--why -l 1",
            "--why -f 1",
            "-i -n 1",
            "-i --json 1",
        ] {
            let error = parse(line).unwrap_err();
            assert!(
                !error.is_empty() && !error.contains('\n'),
                "{line}: {error}"
            );
            assert!(!error.contains("Usage"), "{line}: {error}");
        }
        assert!(parse("--forse 1").unwrap_err().contains("--force"));
    }

    #[test]
    fn what_people_are_used_to_is_understood() {
        let args = parse("-9 3000 -p 3001 --port 3002,3003 -y").unwrap();
        assert!(args.force);
        assert_eq!(args.ports, ["3000"]);
        assert_eq!(args.named_ports, ["3001", "3002,3003"]);
        assert!(parse("-n9 1").unwrap().force);
        assert!(parse("-9 -t 3 1").is_err() && parse("-i -y 1").is_err());
    }

    #[test]
    fn what_was_given_can_be_written_again() {
        let given = |line: &str| {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let args = Args::try_from_all(&arguments).unwrap();
            let texts = args.given.iter().map(|given| given.text.as_str());
            texts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            given("kill_port -n9 3000 -p 3001 --udp -v -y"),
            "--force --dry-run"
        );
        assert_eq!(
            given("kill_port -s int -t 3s --include ancestors 1"),
            "--signal int --grace 3s --include ancestors"
        );
        assert_eq!(given("kill_port --json 1"), "");
    }

    #[test]
    fn a_signal_in_the_way_of_kill_is_named() {
        let named = |line: &str| {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            signal_alone(&arguments)
        };
        assert_eq!(named("kill_port -15 1"), Some(Signal::Term));
        assert_eq!(named("kill_port 1 -INT"), Some(Signal::Int));
        assert_eq!(named("kill_port --KILL 1"), None);
        assert_eq!(named("kill_port -x -- -15"), None);
    }

    #[test]
    fn colour_is_found_on_a_wrong_command_line_as_well() {
        let find = |line: &str| {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            Colors::find(&arguments).color
        };
        assert_eq!(find("kill_port --color never 1"), Some(Color::Never));
        assert_eq!(find("kill_port --color=always --frob"), Some(Color::Always));
        assert_eq!(find("kill_port --frob --color=always"), Some(Color::Always));
        assert_eq!(
            find("kill_port --help -s --color never"),
            Some(Color::Never)
        );
        assert_eq!(find("kill_port 1 --color"), None);
        assert_eq!(find("kill_port -- --color=always"), None);
    }
}
