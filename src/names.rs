//! Plain data: the names that a program is known by, from its file, its command line and its title.
//!
//! A process can call itself what it likes: a name may spare it, or choose its signal, and ends nobody whom the judge does not permit.

use std::ffi::OsStr;
use std::path::Path;

use crate::process::Process;

/// Interpreters, without the version in their names: the program is named by the first argument that is no option.
const INTERPRETERS: &str = "node nodejs python ruby perl php bun deno";

/// Shells.
pub(crate) const SHELLS: &str =
    "sh bash dash zsh fish ksh ksh93 mksh ash csh tcsh nu elvish xonsh pwsh powershell cmd";

/// Whether it is a shell that was given nothing to run.
pub(crate) fn is_bare_shell(process: &Process) -> bool {
    let mut arguments = process.command.iter().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_string_lossy().as_ref() {
            // These have a value.
            "--rcfile" | "--init-file" | "-o" | "+o" | "-O" | "+O" => drop(arguments.next()),
            "-c" => return false,
            option if option.starts_with(['-', '+']) => {}
            _ => return false,
        }
    }
    Names::of(process).first_of(SHELLS).is_some()
}

/// Linux cuts the short name of a process after this many bytes.
const COMM_LENGTH: usize = 15;

/// The names that a process goes by, in lower case and without `.exe`.
#[derive(Debug)]
pub(crate) struct Names(Vec<String>);

impl Names {
    pub(crate) fn of(process: &Process) -> Self {
        let executable = process.executable.as_deref().and_then(Path::file_name);
        let executable = executable.and_then(OsStr::to_str);
        let mut names: Vec<String> = executable.map(plain).into_iter().collect();
        names.push(plain(&process.name));
        let mut words = process
            .command
            .iter()
            .map(|argument| argument.to_string_lossy());
        let first = words.next().unwrap_or_default();
        // A title over the arguments is one argument of several words: `tmux: server`, `sshd: dev [priv]`, `npm run dev`.
        let title = first.split([' ', ':']).next().unwrap_or_default();
        names.push(plain(base(title)));
        if names.iter().any(|name| is_interpreter(name)) {
            let script = words.find(|word| !word.starts_with('-'));
            if let Some(script) = script {
                let name = plain(base(&script));
                let stem = ["-cli.js", ".js", ".mjs", ".cjs", ".py", ".rb", ".pl"]
                    .iter()
                    .find_map(|ending| name.strip_suffix(ending));
                names.push(stem.map_or_else(|| name.clone(), str::to_owned));
                // Packages whose program is called `index.js`, `cli.js` or the like are known by their folder.
                names.extend(package(&script));
            }
        }
        names.retain(|name| !name.is_empty());
        Self(names)
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.0.iter().any(|name| {
            name == file
                || (name.len() == COMM_LENGTH
                    && file.len() > COMM_LENGTH
                    && file.starts_with(name.as_str()))
        })
    }

    /// The first of these, which are words, that it goes by.
    pub(crate) fn first_of<'a>(&self, files: &'a str) -> Option<&'a str> {
        files.split(' ').find(|file| self.has(file))
    }
}

/// Whether a program of this name runs others, `python3.11` among them.
pub(crate) fn is_interpreter(name: &str) -> bool {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.split(' ').any(|known| known == name)
}

/// A name in lower case, without `.exe`, without the `-` of a login shell, and without what follows a colon (`tmux: server`).
pub(crate) fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let name = name.split(": ").next().unwrap_or_default();
    let name = name.strip_suffix(".exe").unwrap_or(name);
    name.strip_prefix('-').unwrap_or(name).to_owned()
}

/// What follows the last separator of a path, of either kind.
pub(crate) fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// `nodemon` in `/srv/app/node_modules/nodemon/bin/index.js`.
fn package(script: &str) -> Option<String> {
    let parts: Vec<&str> = script.split(['/', '\\']).collect();
    let at = parts.iter().rposition(|part| *part == "node_modules")?;
    let name = parts.get(at + 1)?;
    (*name != ".bin" && at + 2 < parts.len()).then(|| plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn a_shell_that_was_given_nothing_to_run_is_one_that_is_typed_into() {
        let is_bare = |name: &str, command: &[&str]| {
            let mut process = Process::unknown(4711);
            process.name = name.to_owned();
            process.command = command.iter().map(OsString::from).collect();
            is_bare_shell(&process)
        };
        for (name, command) in [
            ("bash", &["bash"][..]),
            ("bash", &["-bash"]),
            ("zsh", &["/usr/bin/zsh", "-i", "-l"]),
            ("bash", &["bash", "--init-file", "/opt/editor/shell.sh"]),
            ("bash", &["bash", "-o", "vi"]),
        ] {
            assert!(is_bare(name, command), "{command:?}");
        }
        for (name, command) in [
            ("sh", &["sh", "run.sh"][..]),
            ("bash", &["bash", "-c", "node server.js"]),
            ("node", &["node"]),
            ("python3", &["python3", "-i"]),
        ] {
            assert!(!is_bare(name, command), "{command:?}");
        }
    }
}
