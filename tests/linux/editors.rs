//! Editors are spared; what a person starts in them is not.

use kill_port::{Include, KillOptions};

use super::answer::{Answer, kill, kill_plainly};
use crate::fixture::{Fixture, Folder, Port, Role};

/// A server run by the Node.js of VS Code's server, with this script.
fn node(port: &Port, home: &Folder, script: &str) -> Role {
    Fixture::role("server")
        .port(port)
        .program(home.path().join(".vscode-server/bin/0/node"))
        .arg(home.path().join(script))
}

#[test]
fn the_server_of_an_editor_is_spared_unless_editors_are_included() {
    let (port, home) = (Port::claim(), Folder::new());
    let server = node(&port, &home, ".vscode-server/bin/0/out/bootstrap-fork")
        .arg("--type=extensionHost")
        .start();
    let answer = kill_plainly(port.number());
    answer.held(&[("spared", server.pid())]);
    answer.mentions("VS Code");
    answer.mentions("Ports panel");
    assert!(server.is_alive());
    let options = KillOptions::new().include(Include::Editors);
    Answer::of_plan(&options.plan(port.number())).freed(&[(server.pid(), "would_signal", "TERM")]);
    kill(options, &port.to_string()).freed(&[(server.pid(), "exited", "TERM")]);
}

#[test]
fn a_persons_script_is_ended_though_the_editors_node_runs_it() {
    let (port, home) = (Port::claim(), Folder::new());
    let server = node(&port, &home, "app/server.js").start();
    kill_plainly(port.number()).freed(&[(server.pid(), "exited", "TERM")]);
}
