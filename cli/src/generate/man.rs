//! The manual page: what the help says, and what surrounds the command.

use clap::builder::PossibleValue;
use clap::{Arg, Command, CommandFactory as _};
use textwrap::{Options, WordSeparator, WordSplitter, wrap};

use crate::args::Args;
use crate::help::{EXAMPLES, EXIT_CODES};

/// When this version was released: the changelog's date, or while it has none yet, when the page was last gone over.
const RELEASED: &str = "2026-11-30";

const DESCRIPTION: &str = "\
`kill_port` finds every process that holds a port, tells it to end, and says that the port is free once a server can \
bind it. It sends SIGTERM first; who has not ended after ten seconds is sent SIGKILL.

Never ended are the caller itself, PID 1, service managers, kernel threads, and whoever only may hold the port. Not ended \
unless an option asks for it are the caller's ancestors (its shell, editor or test runner), clients that have the port as \
the local port of a connection, editors, a supervisor that starts the server again, and forwarders of containers: of \
those the container is stopped, through its engine. Where sparing one holder means that the port stays held, the others \
are left alone too.

Results go to standard output, errors and what to do next to standard error.";

/// A variable or a file, and what it is for.
type Rows<'a> = &'a [(&'a str, &'a str)];

const ENVIRONMENT: Rows = &[
    (
        "NO_COLOR",
        "If it is set and not empty, nothing is coloured. `--color` outweighs it, and all that follow.",
    ),
    (
        "CLICOLOR_FORCE",
        "If it is set and not empty, colours are used in a pipe or a file as well.",
    ),
    (
        "CLICOLOR",
        "If it is 0, nothing is coloured; if it is set to anything else, a terminal is, whatever its kind.",
    ),
    (
        "TERM, CI",
        "A terminal that is called `dumb`, or nothing, gets no colours, unless `CI` is set.",
    ),
    (
        "COLUMNS",
        "The width of the help where no terminal tells it.",
    ),
    (
        "DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG",
        "The container engine that the Docker command talks to, by its address, by the name of a context, or by the folder \
         of its settings. It is asked besides those in the usual places (see FILES), if it is on this machine.",
    ),
    (
        "XDG_RUNTIME_DIR, HOME",
        "Where sockets of engines that run without root are looked for.",
    ),
    (
        "SUDO_UID",
        "As root: the user who called `sudo`, whose engines are looked for as well.",
    ),
];

const FILES: Rows = &[
    (
        "/proc",
        "On Linux, the processes, and what each of them has open. It has to belong to the PID namespace of the caller. \
         Sockets are listed by `sock_diag`(7), and where that is missing by `/proc/net/tcp`, `tcp6`, `udp` and `udp6`.",
    ),
    (
        "/proc/sys/net/ipv4/ip_local_port_range",
        "The ports that clients are given. A UDP socket on one of them is taken for a client's.",
    ),
    ("/etc/services", "The names of ports, as in `*:http-alt`."),
    ("/etc/passwd", "The names and homes of users."),
    (
        "/var/run/docker.sock, /run/docker.sock, /run/podman/podman.sock",
        "The sockets of the machine's container engines.",
    ),
    (
        "$XDG_RUNTIME_DIR/docker.sock, $XDG_RUNTIME_DIR/podman/podman.sock",
        "Those of a user's; also in `/run/user/`UID.",
    ),
    (
        "~/.docker/config.json, ~/.docker/contexts/",
        "The contexts of the Docker command, which name more of them. Its own sockets are in `~/.docker/run/` and \
         `~/.docker/desktop/`, those of Colima, Rancher Desktop and Podman's machines in `~/.colima/`, `~/.config/colima/`, \
         `~/.rd/` and `~/.local/share/containers/podman/machine/`.",
    ),
];

const SEE_ALSO: &str =
    "`kill`(1), `fuser`(1), `lsof`(8), `ss`(8), `systemctl`(1), `signal`(7), `sock_diag`(7)

https://github.com/js0-site/kill_port";

/// The page, in the language of man(7).
pub fn page() -> String {
    let command = Args::command();
    let mut page = Page::default();
    let version = command.get_version().unwrap_or_default();
    page.control(&format!(
        r#".TH KILL_PORT 1 {RELEASED} "kill_port {version}" "User Commands""#
    ));
    // Nobody can copy a word that is broken.
    page.control(".nh");
    page.section("NAME");
    page.text(r"kill_port \- free a network port by ending what holds it");
    page.section("SYNOPSIS");
    page.control(r"\fBkill_port\fR [\fIOPTIONS\fR] \fIPORT\fR...");
    page.control(".br");
    page.control(r"\fBkill_port\fR [\fIOPTIONS\fR]");
    page.control(".br");
    page.control(r"\fBkill_port\fR \fB\-\-list\fR [\fIPORT\fR...]");
    page.control(".br");
    page.control(r"\fBkill_port\fR \fB\-\-why\fR \fIPORT\fR...");
    page.section("DESCRIPTION");
    page.paragraphs(DESCRIPTION, ".PP");
    page.section("OPTIONS");
    page.options(&command);
    page.section("EXAMPLES");
    for (line, meaning) in EXAMPLES {
        page.term(&format!(r"\fB{}\fR", escaped(line)));
        page.text(&formatted(meaning));
    }
    page.section("EXIT STATUS");
    page.rows(&EXIT_CODES);
    page.section("ENVIRONMENT");
    page.rows(ENVIRONMENT);
    page.section("FILES");
    page.rows(FILES);
    page.section("SEE ALSO");
    page.paragraphs(SEE_ALSO, ".PP");
    page.source
}

#[derive(Default)]
struct Page {
    source: String,
}

impl Page {
    /// A line as it is.
    fn control(&mut self, line: &str) {
        self.source += line;
        self.source.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.control(&format!(".SH {title}"));
    }

    /// What the next text is about.
    fn term(&mut self, formatted: &str) {
        self.control(".TP");
        self.control(formatted);
    }

    /// Formatted text, in lines that are no longer than a page's source should have.
    fn text(&mut self, formatted: &str) {
        let options = Options::new(78)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        for line in wrap(formatted, options) {
            // It would begin a request.
            let guard = if line.starts_with('.') { r"\&" } else { "" };
            self.control(&format!("{guard}{line}"));
        }
    }

    /// Paragraphs, with a request between them.
    fn paragraphs(&mut self, text: &str, between: &str) {
        for (index, paragraph) in text.split("\n\n").enumerate() {
            if index > 0 {
                self.control(between);
            }
            self.text(&formatted(paragraph));
        }
    }

    /// A list of terms.
    fn rows(&mut self, rows: Rows) {
        for (term, meaning) in rows {
            let terms = term
                .split(", ")
                .map(|term| format!(r"\fB{}\fR", escaped(term)));
            self.term(&terms.collect::<Vec<_>>().join(", "));
            self.text(&formatted(meaning));
        }
    }

    /// The options in their groups.
    fn options(&mut self, command: &Command) {
        let options = || {
            command
                .get_arguments()
                .filter(|option| !option.is_hide_set())
        };
        let mut groups: Vec<&str> = options().filter_map(Arg::get_help_heading).collect();
        groups.dedup();
        for group in groups {
            self.control(&format!(".SS {group}"));
            for option in options().filter(|option| option.get_help_heading() == Some(group)) {
                self.option(option);
            }
        }
    }

    fn option(&mut self, option: &Arg) {
        self.term(&tag(option));
        let help = option.get_long_help().or_else(|| option.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        self.paragraphs(&help, ".IP");
        if !option.get_action().takes_values() {
            return;
        }
        if let [default] = option.get_default_values() {
            self.text(&formatted(&format!("[default: {}]", default.display())));
        }
        if !option.is_hide_possible_values_set() {
            self.values(&option.get_possible_values());
        }
    }

    fn values(&mut self, values: &[PossibleValue]) {
        let shown = || values.iter().filter(|value| !value.is_hide_set());
        if shown().next().is_none() {
            return;
        }
        if shown().all(|value| value.get_help().is_none()) {
            let names: Vec<String> = shown()
                .map(|value| format!("`{}`", value.get_name()))
                .collect();
            self.control(".IP");
            self.text(&formatted(&names.join(", ")));
            return;
        }
        self.control(".RS");
        for value in shown() {
            self.term(&format!(r"\fB{}\fR", escaped(value.get_name())));
            let help = value.get_help().map(ToString::to_string);
            self.text(&formatted(&help.unwrap_or_default()));
        }
        self.control(".RE");
    }
}

/// `-s`, `--signal` SIGNAL
fn tag(option: &Arg) -> String {
    let names = option.get_value_names().unwrap_or_default();
    let names = names.iter().filter(|_| option.get_action().takes_values());
    let value = names.map(|name| format!(r"\fI{}\fR", escaped(name)));
    if option.is_positional() {
        return format!("{}...", value.collect::<String>());
    }
    let short = option.get_short().map(|short| format!(r"\fB\-{short}\fR"));
    let long = option.get_long();
    let long = long.map(|long| format!(r"\fB\-\-{}\fR", escaped(long)));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let words: Vec<String> = [names.join(", ")].into_iter().chain(value).collect();
    words.join(" ")
}

/// Text as it is written in the help, with what stands in backquotes bold.
fn formatted(text: &str) -> String {
    let mut formatted = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = escaped(part);
        if index % 2 == 1 {
            formatted += &format!(r"\fB{part}\fR");
        } else {
            formatted += &part;
        }
    }
    formatted
}

/// Text that means nothing to the formatter. A minus stays one, so that it can be copied.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\e")
        .replace('-', r"\-")
        .replace('\'', r"\(aq")
}
