//! The bind that has the last word, as strace sees it: once for each family, after everything else, and nothing listens.

use std::process::Command;

use crate::fixture::{Fixture, Port, skip};

/// The system calls that matter, in order. `None`, and told, where strace is missing or may not trace.
fn traced(line: &str) -> Option<Vec<String>> {
    let calls = "trace=bind,listen,pidfd_send_signal,kill";
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-e", "signal=none", "-e", calls])
        .arg(env!("CARGO_BIN_EXE_kill_port"))
        .args(["--containers=never", "--quiet"])
        .args(line.split_whitespace())
        .env_remove("RUST_BACKTRACE");
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            skip(&format!("strace: {error}"));
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("ptrace") || output.status.code() != Some(0) {
        skip(&format!("strace: {}: {text}", output.status));
        return None;
    }
    Some(text.lines().map(str::to_owned).collect())
}

/// The calls that bind this port.
fn binds(calls: &[String], port: &Port) -> Vec<usize> {
    let port = format!("htons({port})");
    let of_port = |call: &&(usize, &String)| call.1.contains("bind(") && call.1.contains(&port);
    let all = calls.iter().enumerate();
    all.filter(|call| of_port(&call))
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn a_port_that_was_freed_is_bound_once_and_last_of_all() {
    for (target, listen) in [
        ("", "tcp/127.0.0.1"),
        ("/tcp", "tcp/0.0.0.0"),
        ("/udp", "udp/127.0.0.1"),
        ("127.0.0.1:", "tcp/127.0.0.1"),
    ] {
        let port = Port::claim();
        let _server = Fixture::role("server").port(&port).listen(listen).start();
        let target = match target.strip_suffix(':') {
            Some(address) => format!("{address}:{port}"),
            None => format!("{port}{target}"),
        };
        let Some(calls) = traced(&target) else {
            return;
        };
        let binds = binds(&calls, &port);
        assert_eq!(binds.len(), 1, "{target}: {calls:#?}");
        let last_signal = calls.iter().rposition(|call| call.contains("SIGTERM"));
        assert!(last_signal < binds.first().copied(), "{calls:#?}");
        assert!(last_signal.is_some(), "{calls:#?}");
        assert!(
            !calls.iter().any(|call| call.contains("listen(")),
            "{calls:#?}"
        );
    }
}

#[test]
fn a_dry_run_binds_a_free_port_once_and_a_held_one_never() {
    let port = Port::claim();
    let Some(calls) = traced(&format!("-n {port}")) else {
        return;
    };
    assert_eq!(binds(&calls, &port).len(), 1, "{calls:#?}");
    let _server = Fixture::server(&port);
    let Some(calls) = traced(&format!("-n {port}")) else {
        return;
    };
    assert!(binds(&calls, &port).is_empty(), "{calls:#?}");
}
