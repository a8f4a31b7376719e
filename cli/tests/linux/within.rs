//! `--in DIR`: the servers of one project, and nobody else's.

use crate::command::{command, run, run_arguments};
use crate::fixture::{Fixture, Folder, Port};

#[test]
fn another_projects_server_is_spared_with_its_folder_and_the_next_step_does_not_end_it() {
    let home = Folder::new();
    let port = Port::claim();
    let shop = home.below("shop");
    let server = Fixture::role("server").port(&port).cwd(&shop).start();
    let app = home.below("app");
    let app = app.to_str().expect("a plain path");
    for options in ["", "-n"] {
        run(&format!("{options} --in {app} {port}"))
            .exits(1)
            .prints("spared: it works outside the folder asked for")
            .complains(&format!(
                "works in {}, outside the folder asked for",
                shop.display()
            ))
            .complains("help: choose another port, or leave `--in` out");
    }
    let told = run(&format!("--json --in {app} {port}")).exits(1);
    assert!(told.out.contains(r#""reason":"outside""#), "{told:#?}");
    assert!(server.is_alive());
    run(&format!("--why --in {app} {port}"))
        .exits(0)
        .prints("works outside the folder asked for");
}

#[test]
fn a_relative_folder_counts_from_where_the_command_is_called() {
    let home = Folder::new();
    let port = Port::claim();
    let app = home.below("app");
    let server = Fixture::role("server").port(&port).cwd(&app).start();
    let called_in = |folder: &std::path::Path| {
        let number = port.to_string();
        let output = command(&["--in", ".", &number])
            .current_dir(folder)
            .output();
        output.expect("the command runs").status.code()
    };
    assert_eq!(called_in(&home.below("shop")), Some(1));
    assert!(server.is_alive());
    assert_eq!(called_in(&app), Some(0));
    assert_eq!(server.ended_by(), Some(libc::SIGTERM));
}

#[test]
fn what_is_no_folder_is_a_wrong_command_line() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    for folder in ["/nonexistent/folder", "/proc/self/status", ""] {
        run_arguments(&["--in", folder, &port.to_string()])
            .exits(2)
            .prints_nothing()
            .complains("--in");
    }
    assert!(server.is_alive());
}

#[test]
fn a_command_that_is_advised_keeps_the_folder() {
    let home = Folder::new();
    let port = Port::claim();
    let app = home.below("my app");
    let server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .cwd(&app)
        .start();
    let app = app.to_str().expect("a plain path");
    let number = port.to_string();
    run_arguments(&["--no-escalate", "-t", "100ms", "--in", app, &number])
        .exits(1)
        .complains(&format!("`kill_port --in '{app}' --force {port}`"));
    assert_eq!(server.signals(), ["SIGTERM"]);
}
