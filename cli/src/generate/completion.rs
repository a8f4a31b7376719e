//! Completion scripts: clap's, and for PORT a question to the command itself, which tells who listens.

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Args;

const BASH: &str = include_str!("ports.bash");
const ZSH: &str = include_str!("ports.zsh");
const FISH: &str = include_str!("ports.fish");

/// A shell's completion script.
pub fn script(shell: Shell) -> String {
    let mut command = Args::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "kill_port", &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        Shell::Bash => bash(&script, &command),
        Shell::Zsh => zsh(&script),
        Shell::Fish => format!("{script}\n{FISH}"),
        _ => script.into_owned(),
    }
}

/// A function around clap's decides whether a port is wanted.
fn bash(script: &str, command: &Command) -> String {
    let ports = BASH.replace("{VALUED}", &valued(command).join(" | "));
    let (functions, registration) = script.split_once("\n\nif ").unwrap_or((script, ""));
    let registration = registration.replace("-F _kill_port ", "-F _kill_port_or_port ");
    format!("{functions}\n\n{ports}\nif {registration}")
}

/// The options behind which a word is no port.
fn valued(command: &Command) -> Vec<String> {
    let has_value = |option: &&Arg| {
        !option.is_positional() && !option.is_hide_set() && option.get_action().takes_values()
    };
    let options = command.get_arguments().filter(has_value);
    options
        .flat_map(|option| {
            let short = option.get_short().map(|short| format!("-{short}"));
            let long = option.get_long().map(|long| format!("--{long}"));
            short.into_iter().chain(long)
        })
        .collect()
}

/// clap offers nothing for a port.
fn zsh(script: &str) -> String {
    let script = script.replace(":PORT:'", ":PORT:_kill_port_ports'");
    let lines = script.lines().map(|line| {
        let is_positional = line.starts_with("'*::ports -- ");
        if is_positional {
            r"'*:port:_kill_port_ports' \"
        } else {
            line
        }
    });
    let lines: Vec<&str> = lines.collect();
    // The first line is what compinit goes by.
    let (first, rest) = lines.split_at(lines.len().min(1));
    format!("{}\n\n{ZSH}{}\n", first.concat(), rest.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_offered_where_a_port_is_wanted() {
        let bash = script(Shell::Bash);
        assert!(bash.contains("-s | --signal | -t | --grace | --settle | --in | --include"));
        assert_eq!(bash.matches("complete -F _kill_port_or_port ").count(), 2);
        assert!(!bash.contains("complete -F _kill_port "));
        let zsh = script(Shell::Zsh);
        assert!(zsh.starts_with("#compdef kill_port\n"));
        assert_eq!(zsh.matches(":PORT:_kill_port_ports' ").count(), 2);
        assert!(zsh.contains("\n'*:port:_kill_port_ports' \\\n&& ret=0\n"));
        assert!(
            script(Shell::Fish).contains("complete -c kill_port -k -f -a '(__kill_port_ports)'")
        );
    }

    #[test]
    fn what_scripts_ask_for_is_offered_to_nobody() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::Elvish,
            Shell::PowerShell,
        ] {
            let script = script(shell);
            assert!(
                !script.contains("powershell ports") && !script.contains("zsh ports"),
                "{script}"
            );
        }
    }
}
