//! The command line: which options there are, and which contradict each other.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum, ValueHint,
};
use kill_port::{Protocol, Signal};

use crate::duration;
use crate::words::quoted;

const EXAMPLES: &str = "\
Examples:
  kill_port 8080                     free port 8080
  kill_port 3000-3010 53/udp         several ports, side by side
  kill_port http://localhost:3000/   a pasted URL
  kill_port -n 8080                  show who would be signalled
  kill_port -l                       show who listens on which port
  kill_port --why 8080               show everything about who holds it, and what to do
  kill_port -t 3s 8080               SIGKILL after three seconds instead of ten";

const EXIT_CODES: &str = "\
Exit codes:
  0  every port asked for is free now (dry run: would be freed)
  1  at least one is still held, or could not be looked at; the reason and a next step are on stderr
  2  the command line is wrong; nothing was signalled
  3  with --fail-if-free: nothing held any of the ports
  130  interrupted by Ctrl-C";

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

/// Free a network port: end every process that holds it, politely first, and never the wrong one
#[derive(Debug, Parser)]
#[command(
    name = "kill_port",
    version,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    max_term_width = 100,
    override_usage = "kill_port [OPTIONS] PORT..."
)]
pub struct Args {
    /// What to free
    ///
    /// 8080, :8080, a range 3000-3010, a list 3000,3001, one protocol 53/udp, one address 127.0.0.1:8080 or
    /// [::1]:8080 or localhost:8080, any address *:3000, or a URL such as http://localhost:3000/path, whose default
    /// port counts. An address may be pasted as a program prints it, such as *:http-alt or 0.0.0.0:8080->80/tcp.
    /// Without a protocol, TCP and UDP are both freed.
    #[arg(value_name = "PORT", value_hint = ValueHint::Other)]
    pub ports: Vec<String>,

    /// The same as PORT, for those who look for an option
    #[arg(short = 'p', long = "port", value_name = "PORT", hide = true, value_hint = ValueHint::Other)]
    pub named_ports: Vec<String>,

    /// The first signal: TERM, INT, HUP, QUIT, ABRT, USR1, USR2 or KILL [default: TERM]
    ///
    /// If none is named, PostgreSQL and uWSGI get INT, which is how they are told to stop at once.
    ///
    /// With or without SIG, in any case, or its number. SIGKILL follows all of them when the grace is over. Windows
    /// has no signals: TERM, INT and KILL all end the process tree at once there, and the others are refused.
    #[arg(short, long, value_name = "SIGNAL", value_parser = signal, value_hint = ValueHint::Other)]
    pub signal: Option<Signal>,

    /// SIGKILL at once (also -9)
    #[arg(short, short_alias = '9', long, conflicts_with_all = ["signal", "grace", "no_escalate"])]
    pub force: bool,

    /// How long before SIGKILL: 500ms, 5s, 2m; a bare number is seconds [default: 10s]
    #[arg(short = 't', long, value_name = "DURATION", value_parser = duration::parse, value_hint = ValueHint::Other)]
    pub grace: Option<Duration>,

    /// Never SIGKILL
    #[arg(long)]
    pub no_escalate: bool,

    /// How long a port has to stay free where a supervisor may be at work [default: 200ms, with --supervisor 3s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, value_hint = ValueHint::Other)]
    pub settle: Option<Duration>,

    /// TCP only
    #[arg(long, conflicts_with = "udp")]
    pub tcp: bool,

    /// UDP only
    #[arg(long)]
    pub udp: bool,

    /// Also end all descendants of the holders
    #[arg(long)]
    pub tree: bool,

    /// Also end a parent that was seen to start them again, or is known as a watcher such as nodemon
    ///
    /// A parent on which other servers depend is spared, and so is a shell that somebody types into.
    #[arg(long)]
    pub supervisor: bool,

    /// End only who works in this folder or below
    ///
    /// Who works elsewhere is spared and named with its folder, and so is who works nobody can see where. A container counts by
    /// the folder of its compose project. Scripts and agents should always say it: on a port that another project's server has
    /// taken, nothing is ended then. With --tree, descendants end wherever they work. Windows does not tell where a process works, so that nobody is ended there.
    #[arg(long = "in", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub within: Option<PathBuf>,

    /// Also end those who are spared otherwise
    ///
    /// `ancestors` are those above this command: its shell, editor or test runner. The command itself and PID 1 are always spared.
    /// `editors` are editors and IDEs, and their servers on this machine: their windows end with them. `forwarders` are processes that
    /// forward the port to a container: meant for one that no engine knows any more. Any other leaves its container without the port, and
    /// some forward for all containers.
    #[arg(long, value_name = "WHO", value_enum, value_delimiter = ',')]
    pub include: Vec<Who>,

    /// The same as `--include ancestors`
    #[arg(long, hide = true)]
    pub include_ancestors: bool,

    /// Also end clients whose local port it is
    ///
    /// A process that uses the port as the local port of its own connection keeps servers from binding it, and so does one that
    /// keeps a connection of a server that is gone.
    #[arg(long)]
    pub connections: bool,

    /// Whether a container that publishes the port is stopped, through its engine
    ///
    /// A process that only forwards the port to a container is never signalled. With `auto` the engines (Docker,
    /// Podman and others like them) are asked where such a process holds the port, or nobody known does; with `only`
    /// containers are stopped and processes left alone.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Containers::Auto)]
    pub containers: Containers,

    /// Show who would be signalled and who spared; signal nobody
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Ask about each port before anybody is signalled
    #[arg(short, long, conflicts_with_all = ["dry_run", "json"])]
    pub interactive: bool,

    /// Nobody is asked anyhow
    #[arg(short, long, hide = true, conflicts_with = "interactive")]
    pub yes: bool,

    /// Show who listens, on all ports if none is named; signal nobody
    #[arg(short, long, conflicts_with = "within", conflicts_with_all = ENDING)]
    pub list: bool,

    /// Show everything about who holds the ports and where it came from; signal nobody
    ///
    /// Also why a port that nobody holds can't be bound, and what to do then.
    #[arg(long, conflicts_with = "list", conflicts_with_all = ENDING)]
    pub why: bool,

    /// Print one JSON object, for programs
    #[arg(long)]
    pub json: bool,

    /// Exit 3 if nothing held any of the ports
    #[arg(long)]
    pub fail_if_free: bool,

    /// Print errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Log what happens to stderr; repeat for more
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    #[command(flatten)]
    pub colors: Colors,

    /// Print a completion script for this shell
    #[arg(long, value_name = "SHELL", exclusive = true)]
    pub completions: Option<clap_complete::Shell>,

    /// Print the manual page
    #[arg(long, exclusive = true)]
    pub man: bool,

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
    #[arg(long, value_name = "WHEN", value_enum)]
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
        let mut matches = command.try_get_matches_from_mut(arguments)?;
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
