//! Another user's processes.

use crate::command::{NOBODY, as_nobody, run, run_role};
use crate::fixture::{Fixture, Port, linux::root_or_skip};

#[test]
fn another_users_process_is_named_with_a_next_step() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::server(&port);
    // It lies where `sudo` does not look, as after `cargo install`.
    let path = env!("CARGO_BIN_EXE_kill_port");
    for (given, repeated) in [
        ("", ""),
        ("-n --json -v", "--dry-run "),
        ("-9", "--force "),
        (
            "-t 3s --tree --no-escalate",
            "--grace 3s --no-escalate --tree ",
        ),
    ] {
        let run = run_role(as_nobody(&format!("{given} {port}")));
        assert_eq!(run.code, Some(1), "{run:#?}");
        let help = format!("`sudo {path} {repeated}{port}`");
        assert!(run.out.contains(&help), "{help}: {run:#?}");
    }
    assert!(server.is_alive());
}

#[test]
fn the_user_is_named_where_it_is_not_the_caller() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("uid", NOBODY)
        .start();
    run(&port.to_string()).exits(0).prints("  user nobody  ");
    let own = Port::claim();
    let _server = Fixture::server(&own);
    assert!(!run(&own.to_string()).exits(0).out.contains("  user "));
}

#[test]
fn a_home_that_is_closed_is_no_sign_of_a_container_engine() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::server(&port);
    let home = Closed::new();
    let run = run_role(as_nobody(&port.to_string()).env("HOME", home.0.join("home")))
        .prints("can't be determined");
    for engine in ["Docker", "OrbStack", "Colima", "Rancher"] {
        assert!(
            !run.out
                .contains(&format!("{engine} at {}", home.0.join("home").display())),
            "{run:#?}"
        );
    }
    assert!(server.is_alive());
}

/// A folder that only its owner may enter, with a home in it.
struct Closed(std::path::PathBuf);

impl Closed {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("kill_port-closed-{}", std::process::id()));
        std::fs::create_dir_all(path.join("home/.docker/run")).expect("a folder");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))
            .expect("permissions");
        Self(path)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
