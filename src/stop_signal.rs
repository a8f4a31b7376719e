//! Servers for which SIGTERM does not mean "stop".
//!
//! Each entry rests on the server's own documentation. One that only takes its time after SIGTERM is none: it has the grace.

use crate::process::Process;
use crate::signal::Signal;

/// The signal that this server takes for "stop now, in good order", if that is not SIGTERM.
///
/// It goes by the name of the program's file, or by the short name where the file can't be read.
pub(crate) fn stop_signal(process: &Process) -> Option<Signal> {
    let file = process.executable.as_deref().and_then(|path| {
        let name = path.file_name()?;
        name.to_str()
    });
    let is_postmaster = || {
        // To the processes below it, which call themselves `postgres: …`, the same signal means to cancel a query.
        let first = process.command.first();
        !first.is_some_and(|word| word.to_string_lossy().starts_with("postgres:"))
    };
    match file.unwrap_or(&process.name) {
        // SIGTERM waits until every client has gone (a "smart" shutdown). After SIGKILL the next start has to recover.
        "postgres" | "postmaster" if is_postmaster() => Some(Signal::Int),
        // SIGTERM loads everything anew, unless it was told to die on it. SIGINT ends it either way.
        name if name == "uwsgi"
            || name.starts_with("uwsgi-core")
            || name.starts_with("uwsgi_python") =>
        {
            Some(Signal::Int)
        }
        _ => None,
    }
    // Windows has no signals.
    .filter(|_| cfg!(unix))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::path::PathBuf;

    #[test]
    fn servers_that_take_another_signal_for_a_stop_are_known() {
        for (file, name, first, signal) in [
            (
                "/usr/lib/postgresql/16/bin/postgres",
                "postgres",
                "/usr/lib/postgresql/16/bin/postgres",
                Some(Signal::Int),
            ),
            (
                "/usr/local/bin/postmaster",
                "postmaster",
                "postmaster",
                Some(Signal::Int),
            ),
            (
                "",
                "postgres",
                "/usr/lib/postgresql/16/bin/postgres",
                Some(Signal::Int),
            ),
            (
                "/usr/lib/postgresql/16/bin/postgres",
                "postgres",
                "postgres: 16/main: dev shop [local] idle",
                None,
            ),
            ("", "postgres", "postgres: checkpointer", None),
            (
                "/usr/bin/postgres_exporter",
                "postgres_exporter",
                "postgres_exporter",
                None,
            ),
            ("/usr/bin/psql", "psql", "psql", None),
            ("/srv/venv/bin/uwsgi", "uwsgi", "uwsgi", Some(Signal::Int)),
            (
                "/usr/bin/uwsgi-core",
                "uwsgi",
                "uwsgi-core",
                Some(Signal::Int),
            ),
            ("", "uwsgi_python3", "uwsgi", Some(Signal::Int)),
            ("/usr/bin/python3.12", "uwsgi", "python3", None),
            ("/usr/bin/uwsgitop", "uwsgitop", "uwsgitop", None),
            (
                "/usr/sbin/nginx",
                "nginx",
                "nginx: master process nginx",
                None,
            ),
            ("/usr/bin/node", "node", "node", None),
            ("", "", "", None),
        ] {
            let mut process = Process::unknown(4711);
            process.executable = Some(PathBuf::from(file)).filter(|_| !file.is_empty());
            process.name = name.to_owned();
            process.command = vec![OsString::from(first)];
            assert_eq!(stop_signal(&process), signal, "{file} {name} {first}");
        }
    }
}
