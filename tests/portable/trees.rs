//! Descendants of a holder: on Windows they always go with it, elsewhere if they are asked for.

use kill_port::KillOptions;

use crate::fixture::{Fixture, Port};

fn tree(port: &Port) -> Fixture {
    let server = Fixture::role("listen")
        .port(port)
        .set("tree", "2,2")
        .start();
    server.wait_count("pid grandchild ", 4);
    server
}

#[test]
fn a_process_tree_is_ended_with_its_holder() {
    let port = Port::claim();
    let server = tree(&port);
    let freed = KillOptions::new()
        .tree(true)
        .kill(port.number())
        .expect("it is freed");
    assert_eq!(freed.ended.len(), 1 + 2 + 4, "{freed:#?}");
    // Nobody is left who holds the pipe that all of them share.
    server.wait_gone();
}

#[test]
fn without_being_asked_descendants_go_only_where_trees_are_ended() {
    let port = Port::claim();
    let _server = tree(&port);
    let freed = KillOptions::new().kill(port.number()).expect("it is freed");
    let expected = if cfg!(windows) { 1 + 2 + 4 } else { 1 };
    assert_eq!(freed.ended.len(), expected, "{freed:#?}");
}

#[test]
fn a_plan_names_the_tree_and_ends_nobody() {
    let port = Port::claim();
    let server = tree(&port);
    let plan = KillOptions::new()
        .tree(true)
        .plan(port.number())
        .expect("it can be looked at");
    assert!(plan.would_free(), "{plan:#?}");
    assert!(
        plan.holders
            .iter()
            .any(|report| report.holder.process.pid == server.pid()),
        "{plan:#?}"
    );
    assert!(server.is_alive());
}
