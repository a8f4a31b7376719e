//! Root without the right to look into other users' processes (`CAP_SYS_PTRACE`), as in every default container, or outside of its own
//! user namespace.

use super::answer::Answer;
use super::caller::{answer, calling};
use crate::fixture::linux::root_or_skip;
use crate::fixture::{Fixture, Folder, Params, Port, Role, RoleKind, say, skip, takes};

pub const ROLES: &[RoleKind] = &[RoleKind::new(
    "tells_holders",
    &[takes![port: u16]],
    tells_holders,
)];

/// Tells who holds the port, with what is not told to everybody.
fn tells_holders(params: &Params) {
    say("ready");
    for holder in kill_port::survey(params.port())
        .expect("a survey")
        .holders()
    {
        let process = &holder.process;
        let (program, folder) = (process.executable.as_ref(), process.cwd.as_ref());
        say(&format!("holder {} {program:?} {folder:?}", process.pid));
    }
}

const USER: u32 = 65534;

/// What this caller answers; nothing, and told, where the kernel can't do this.
fn answer_if_possible(role: Role) -> Option<Answer> {
    match role.try_start() {
        Ok(caller) => Some(Answer::from_caller(&caller)),
        Err(why) => {
            skip(&why);
            None
        }
    }
}

fn root_in_a_container(target: impl ToString) -> Role {
    calling(target).set("no_cap_ptrace", 1)
}

#[test]
fn root_without_the_right_to_trace_frees_another_users_server() {
    if !root_or_skip() {
        return;
    }
    for role in ["server", "private_table", "main_thread_gone", "io_uring"] {
        let port = Port::claim();
        let server = Fixture::role(role).port(&port).set("uid", USER).try_start();
        let server = match server {
            Ok(server) => server,
            Err(why) => {
                skip(&why);
                continue;
            }
        };
        answer(root_in_a_container(&port)).freed(&[(server.pid(), "exited", "TERM")]);
    }
}

#[test]
fn root_without_the_right_to_trace_finds_servers_of_several_users_and_its_own() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let servers: Vec<Fixture> = [65534, 65533, 0]
        .into_iter()
        .zip(["127.0.0.1", "127.0.0.2", "127.0.0.3"])
        .map(|(uid, address)| {
            // The kernel wants a caller to have all the rights that it looks at.
            let server = Fixture::role("server").set("no_cap_ptrace", 1);
            let server = server.port(&port).set("uid", uid);
            server.listen(&format!("tcp/{address}")).start()
        })
        .collect();
    let answer = answer(root_in_a_container(&port).set("foresee", 1));
    assert!(answer.free, "{answer:#?}");
    assert_eq!(answer.holders.len(), 3, "{answer:#?}");
    for server in servers {
        server.wait_gone();
    }
}

#[test]
fn who_is_closed_even_to_its_own_user_is_hidden_and_the_right_that_is_missing_is_named() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server")
        .port(&port)
        .set("late_uid", USER)
        .set("dumpable", 0)
        .start();
    let answer = answer(root_in_a_container(&port));
    answer.held(&[("hidden", 0)]);
    answer.mentions("CAP_SYS_PTRACE");
    answer.mentions("--cap-add SYS_PTRACE");
    assert!(!answer.display.contains("NFS"), "{answer:#?}");
    assert!(server.is_alive());
}

#[test]
fn where_only_who_may_be_traced_is_seen_root_without_that_right_is_told_of_it() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server").port(&port).set("uid", USER).start();
    // Level 4 is `ptraceable`; the others are not meant for root.
    let caller = root_in_a_container(&port).set("hidepid", 4);
    let Some(answer) = answer_if_possible(caller) else {
        return;
    };
    answer.held(&[("hidden", 0)]);
    answer.mentions("CAP_SYS_PTRACE");
    assert!(!answer.display.contains("NFS"), "{answer:#?}");
    assert!(server.is_alive());
}

#[test]
fn root_of_a_user_namespace_is_told_so_where_others_are_hidden() {
    if !root_or_skip() {
        return;
    }
    for level in [0, 1, 2] {
        let port = Port::claim();
        let server = Fixture::server(&port);
        let caller = calling(&port)
            .set("hidepid", level)
            .set("uid", USER)
            .set("userns", 1);
        let Some(answer) = answer_if_possible(caller) else {
            return;
        };
        answer.held(&[("hidden", 0)]);
        answer.mentions("user namespace");
        assert!(!answer.display.contains("NFS"), "{answer:#?}");
        assert!(server.is_alive());
    }
}

#[test]
fn what_is_told_of_another_users_server_does_not_need_the_right_to_trace() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::role("server").port(&port).set("uid", USER).start();
    let caller = Fixture::role("tells_holders")
        .port(&port)
        .set("no_cap_ptrace", 1)
        .start();
    let link = |name| std::fs::read_link(format!("/proc/{}/{name}", server.pid())).ok();
    let (program, folder) = (link("exe"), link("cwd"));
    assert!(program.is_some() && folder.is_some());
    caller.wait_line(&format!("holder {} {program:?} {folder:?}", server.pid()));
}

#[test]
fn where_another_users_server_works_is_seen_without_the_right_to_trace() {
    if !root_or_skip() {
        return;
    }
    let home = Folder::new();
    for (folder, is_asked_for) in [("app", true), ("shop", false)] {
        let port = Port::claim();
        let server = Fixture::role("server")
            .port(&port)
            .cwd(home.below(folder))
            .set("uid", USER)
            .start();
        let answer = answer(root_in_a_container(&port).set("within", home.below("app").display()));
        assert_eq!(answer.free, is_asked_for, "{answer:#?}");
        assert_eq!(server.is_alive(), !is_asked_for);
    }
}
