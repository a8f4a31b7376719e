//! Where a folder is asked for, nobody else's server is ended.

use std::ffi::CString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use kill_port::{Event, KillOptions, Obstacle};

use super::answer::{Answer, kill};
use crate::fixture::linux::{mounts_have_numbers_or_skip, root_or_skip, signals, sockets};
use crate::fixture::{Fixture, Folder, Params, Port, RoleKind, introduce, say, takes};

pub const ROLES: &[RoleKind] = &[RoleKind::new(
    "in_a_namespace",
    &[sockets::TAKES, takes![below: PathBuf]],
    in_a_namespace,
)];

fn server_in(folder: &Path, port: &Port) -> Fixture {
    Fixture::role("server").port(port).cwd(folder).start()
}

fn within(folder: &Path) -> KillOptions {
    KillOptions::new().within(folder)
}

#[track_caller]
fn is_spared(folder: &Path, server: &Fixture) -> Answer {
    let answer = kill(within(folder), &server.port().to_string());
    answer.held(&[("spared", server.pid())]);
    answer.told(&[(server.pid(), "spared", "")]);
    let plan = Answer::of_plan(&within(folder).plan(server.port()));
    plan.held(&[("spared", server.pid())]);
    assert!(server.is_alive());
    answer
}

#[track_caller]
fn is_ended(folder: &Path, server: &Fixture) {
    let plan = Answer::of_plan(&within(folder).plan(server.port()));
    plan.freed(&[(server.pid(), "would_signal", "TERM")]);
    kill(within(folder), &server.port().to_string()).freed(&[(server.pid(), "exited", "TERM")]);
}

#[test]
fn a_server_of_the_folder_or_below_is_ended() {
    let home = Folder::new();
    let app = home.below("app");
    for place in [app.clone(), home.below("app/web/public")] {
        let port = Port::claim();
        is_ended(&app, &server_in(&place, &port));
    }
}

#[test]
fn a_server_of_another_folder_is_spared_and_named_with_it() {
    let home = Folder::new();
    let app = home.below("app");
    // The second only begins with the same letters, the third is above.
    for place in [
        home.below("shop"),
        home.below("app2"),
        home.path().to_owned(),
    ] {
        let port = Port::claim();
        let server = server_in(&place, &port);
        let answer = is_spared(&app, &server);
        answer.mentions(&format!("works in {},", place.display()));
    }
}

#[test]
fn links_lead_to_the_folder_from_both_sides() {
    let home = Folder::new();
    let app = home.below("app");
    let link = home.path().join("link");
    symlink(&app, &link).expect("a link");
    for (asked, place) in [(&link, &app), (&app, &link), (&link, &link)] {
        let port = Port::claim();
        is_ended(asked, &server_in(place, &port));
    }
}

#[test]
fn a_folder_that_was_removed_belongs_to_the_one_above_it() {
    let home = Folder::new();
    let app = home.below("app");
    let port = Port::claim();
    let server = server_in(&home.below("app/build"), &port);
    std::fs::remove_dir(app.join("build")).expect("it is empty");
    is_ended(&app, &server);
}

#[test]
fn a_folder_that_was_removed_and_made_again_is_another() {
    let home = Folder::new();
    let app = home.below("app");
    let port = Port::claim();
    let server = server_in(&app, &port);
    std::fs::remove_dir(&app).expect("it is empty");
    home.below("app");
    is_spared(&app, &server).mentions("app (deleted)");
}

/// Holds the port in a mount namespace of its own, whose `/srv` is another folder than ours; or, with `below`, in a folder of that name in its
/// own, which is its own once more.
fn in_a_namespace(params: &Params) {
    let below = params.get::<PathBuf>("below");
    let place = below.as_deref().unwrap_or(Path::new("/srv"));
    let at = CString::new(place.as_os_str().as_bytes()).expect("a path");
    // SAFETY: the calls take numbers, and texts that live through them.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
        let none = c"none".as_ptr();
        let private = libc::MS_REC | libc::MS_PRIVATE;
        assert_eq!(
            libc::mount(
                none,
                c"/".as_ptr(),
                std::ptr::null(),
                private,
                std::ptr::null()
            ),
            0
        );
        let (what, kind, flags) = match below {
            Some(_) => (c".".as_ptr(), std::ptr::null(), libc::MS_BIND),
            None => (none, c"tmpfs".as_ptr(), 0),
        };
        let mounted = libc::mount(what, at.as_ptr(), kind, flags, std::ptr::null());
        assert_eq!(mounted, 0);
    }
    std::env::set_current_dir(place).expect("the folder");
    let _held = sockets::open_all(params);
    introduce("server");
    say("ready");
    signals::pause_for_ever();
}

#[test]
fn the_same_path_in_another_mount_namespace_is_another_folder() {
    if !root_or_skip() || !Path::new("/srv").is_dir() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("in_a_namespace").port(&port).start();
    is_spared(Path::new("/srv"), &server);
}

#[test]
fn a_folder_that_is_mounted_below_itself_lies_below_those_above_it() {
    if !root_or_skip() || !mounts_have_numbers_or_skip() {
        return;
    }
    let home = Folder::new();
    let app = home.below("app");
    home.below("app/current");
    let port = Port::claim();
    let server = Fixture::role("in_a_namespace")
        .port(&port)
        .cwd(&app)
        .set("below", "current")
        .start();
    is_ended(home.path(), &server);
}

#[test]
fn a_holder_elsewhere_is_found_before_the_first_signal_wherever_it_has_the_socket() {
    let home = Folder::new();
    let app = home.below("app");
    let shop = home.below("shop");
    let port = Port::claim();
    let both = Fixture::role("shared")
        .port(&port)
        .cwd(&app)
        .set("far_cwd", shop.display())
        .spawn();
    both.wait_line("far ready");
    both.wait_line("near ready");
    let (near, far) = (both.pid_of("near"), both.pid_of("far"));
    let answer = kill(within(&app), &port.to_string());
    answer.held(&[("spared", far)]);
    answer.told(&[(near, "withheld", ""), (far, "spared", "")]);
    assert_eq!(both.count("got "), 0, "{:?}", both.lines());
}

/// One that looks like a process at its very end for as long as it likes: its main thread has given up its folder.
fn leaving(folder: &Path, port: &Port) -> Fixture {
    Fixture::role("main_thread_gone")
        .port(port)
        .cwd(folder)
        .start()
}

#[test]
fn a_server_that_is_just_ending_and_works_nowhere_any_more_is_waited_for() {
    let home = Folder::new();
    let port = Port::claim();
    let server = leaving(home.path(), &port);
    let answer = within(home.path()).kill_with(port.number(), |event| {
        // By now it was looked at once.
        if matches!(event, Event::Waiting { .. }) && server.is_alive() {
            server.signal(libc::SIGTERM);
            server.wait_gone();
        }
        ControlFlow::Continue(())
    });
    Answer::of(&answer).was_free();
}

#[test]
fn one_that_does_not_come_to_its_end_stays_spared() {
    let home = Folder::new();
    let port = Port::claim();
    let server = leaving(home.path(), &port);
    is_spared(home.path(), &server).mentions("can't be told whether it works");
    assert!(server.words("got ").is_empty());
}

#[test]
fn of_two_holders_nobody_is_signalled_if_one_works_elsewhere() {
    let home = Folder::new();
    let app = home.below("app");
    let port = Port::claim();
    let share = |folder: &Path| {
        Fixture::role("server")
            .port(&port)
            .set("reuseport", 1)
            .cwd(folder)
            .start()
    };
    let (own, other) = (share(&app), share(&home.below("shop")));
    let answer = kill(within(&app), &port.to_string());
    answer.held(&[("spared", other.pid())]);
    answer.told(&[(own.pid(), "withheld", ""), (other.pid(), "spared", "")]);
    assert!(own.is_alive() && other.is_alive());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_nobody_is_ended() {
    let home = Folder::new();
    let port = Port::claim();
    let server = server_in(home.path(), &port);
    let missing = home.path().join("missing");
    let error = within(&missing).kill(port.number()).expect_err("no folder");
    assert!(
        matches!(error.obstacles(), [Obstacle::System { error, .. }] if error.kind() == std::io::ErrorKind::InvalidInput)
    );
    assert!(within(&missing).plan(port.number()).is_err());
    assert!(server.is_alive());
}
