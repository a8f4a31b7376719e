//! Ranges and lists.

use crate::command::run;
use crate::fixture::{Fixture, Port};

#[test]
fn a_range_prints_what_was_held_and_one_line_for_the_rest() {
    let ports = Port::claim_row(5);
    let servers = [Fixture::server(&ports[1]), Fixture::server(&ports[3])];
    let range = format!("{}-{}", ports[0], ports[4]);
    let run = run(&range).exits(0).has_no_complaint();
    for server in &servers {
        assert_eq!(server.ended_by(), Some(libc::SIGTERM));
    }
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 5, "{run:#?}");
    assert!(
        lines[0].starts_with(&format!("{}: freed in", ports[1])),
        "{run:#?}"
    );
    assert!(
        lines[2].starts_with(&format!("{}: freed in", ports[3])),
        "{run:#?}"
    );
    assert_eq!(
        lines[4],
        format!("{range}: the other 3 ports were free already")
    );
}

#[test]
fn a_range_that_nobody_holds_is_one_line() {
    let ports = Port::claim_row(4);
    let range = format!("{}-{}/tcp", ports[0], ports[3]);
    assert_eq!(
        run(&range).exits(0).out,
        format!("{range}: all 4 ports free already\n")
    );
}

#[test]
fn what_is_asked_for_twice_is_answered_once() {
    let port = Port::claim();
    let _server = Fixture::server(&port);
    let run = run(&format!("{port},{port} :{port} {port}-{port}")).exits(0);
    assert_eq!(run.out.matches("freed in").count(), 1, "{run:#?}");
}
