//! Plain data: a command line, as short as it still tells the program.

use std::ffi::OsString;

use crate::names::{base, is_interpreter, plain};
use crate::process::Process;

/// What stands for arguments that are left out.
const LEFT_OUT: &str = "…";

/// Options in front of a script that are no longer than this together say much, such as `--watch`, and stay.
const SHORT: usize = 20;

impl Process {
    /// The command line for people in a hurry: the program by the last part of its path, and behind an interpreter the script by
    /// that of its own, without long options in front of it.
    ///
    /// `/usr/bin/node --max-old-space-size=4096 /srv/shop/server.js --port 3000` becomes `node … server.js --port 3000`. A title that the process has
    /// written over its arguments stays as it is. Like the command line itself, it is hostile input: escape it before it is printed.
    #[must_use]
    pub fn short_command(&self) -> Vec<OsString> {
        let Some((program, rest)) = self.command.split_first() else {
            return Vec::new();
        };
        // Of a title, a part would tell less: `nginx: worker process`, `sshd: dev [priv]`.
        if rest.is_empty() && program.to_string_lossy().contains(' ') {
            return self.command.clone();
        }
        let program = short(program);
        let mut command = vec![program.clone()];
        let runs_others = is_interpreter(&plain(&program.to_string_lossy()));
        let script = script(rest).filter(|_| runs_others);
        let Some((at, script)) = script.and_then(|at| Some((at, rest.get(at)?))) else {
            command.extend(rest.iter().cloned());
            return command;
        };
        let options = rest.get(..at).unwrap_or_default();
        if options.iter().map(|option| option.len() + 1).sum::<usize>() <= SHORT {
            command.extend_from_slice(options);
        } else {
            command.push(LEFT_OUT.into());
        }
        command.push(short(script));
        command.extend(rest.iter().skip(at + 1).cloned());
        command
    }
}

/// Where the script is. There is none behind an option that has the program as its value, as in `python3 -m http.server`.
fn script(arguments: &[OsString]) -> Option<usize> {
    let mut at = 0;
    loop {
        match arguments.get(at)?.to_string_lossy().as_ref() {
            "-m" | "-c" | "-e" | "-p" | "-S" | "--eval" | "--print" => return None,
            // These have a value.
            "-r" | "--require" | "--import" | "--loader" | "-I" | "-W" | "-X" => at += 2,
            option if option.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
}

fn short(path: &OsString) -> OsString {
    base(&path.to_string_lossy()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_and_its_script_are_told_by_the_last_part_of_their_paths() {
        for (line, short) in [
            ("", ""),
            ("/usr/sbin/nginx -g daemon", "nginx -g daemon"),
            (
                "nginx: master process /usr/sbin/nginx",
                "nginx: master process /usr/sbin/nginx",
            ),
            (
                "/usr/bin/node /srv/shop/server.js --port 3000",
                "node server.js --port 3000",
            ),
            ("node --watch src/server.js", "node --watch server.js"),
            (
                "node --inspect -r ts-node/register src/server.ts",
                "node … server.ts",
            ),
            (
                "/usr/bin/python3.11 /srv/shop/manage.py runserver",
                "python3.11 manage.py runserver",
            ),
            (
                "/usr/bin/python3 -m http.server 8000",
                "python3 -m http.server 8000",
            ),
            (
                "php -S localhost:8000 -t /srv/www",
                "php -S localhost:8000 -t /srv/www",
            ),
            ("C:\\tools\\node.exe app.js", "node.exe app.js"),
            (
                "/usr/bin/java -jar /srv/shop.jar",
                "java -jar /srv/shop.jar",
            ),
            ("node -r", "node -r"),
        ] {
            let mut process = Process::unknown(4711);
            let is_title = line.contains(": ");
            process.command = match line {
                "" => Vec::new(),
                title if is_title => vec![title.into()],
                words => words.split(' ').map(OsString::from).collect(),
            };
            let told = process.short_command();
            let told: Vec<_> = told.iter().map(|word| word.to_string_lossy()).collect();
            assert_eq!(told.join(" "), short);
        }
    }
}
