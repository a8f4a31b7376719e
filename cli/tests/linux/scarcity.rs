//! Surroundings that lack something: descriptors, or `/proc`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::command::{Run, command, in_words, run};
use crate::fixture::linux::root_or_skip;
use crate::fixture::{Fixture, Port, skip};

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// The command, with so many descriptors and no more.
fn run_with_descriptors(limit: u64, arguments: &[&str]) -> Run {
    run_with(libc::RLIMIT_NOFILE, limit, arguments)
}

/// The command, with so much of a resource and no more.
fn run_with(resource: Resource, limit: u64, arguments: &[&str]) -> Run {
    let mut command = command(arguments);
    // Each thread of the C library reserves some of the addresses for itself, so that how many are taken depends on the machine.
    command.env("MALLOC_ARENA_MAX", "1");
    let limit = libc::rlimit {
        rlim_cur: limit,
        rlim_max: limit,
    };
    let lower = move || {
        // SAFETY: the structure lives through the call, which touches nothing else and may be made after a fork.
        if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(lower) };
    command.output().expect("the command runs").into()
}

#[test]
fn many_holders_are_ended_with_few_descriptors() {
    let port = Port::claim();
    let server = Fixture::role("prefork")
        .port(&port)
        .set("workers", 40)
        .start();
    run_with_descriptors(24, &[&port.to_string()])
        .exits(0)
        .prints(&format!("{port}: freed in "));
    server.wait_gone();
}

#[test]
fn too_few_descriptors_to_look_around_are_said_to_be_the_reason() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let mut has_failed = false;
    for limit in 4..8 {
        let run = run_with_descriptors(limit, &["--containers", "never", "-n", &port.to_string()]);
        assert!(
            !run.err.contains("can't be determined"),
            "{limit}: {run:#?}"
        );
        if run.code == Some(1) {
            has_failed = true;
            assert!(
                run.err.contains(&in_words(libc::EMFILE)),
                "{limit}: {run:#?}"
            );
        }
    }
    assert!(has_failed);
    assert!(server.is_alive());
}

/// The command where nothing is mounted on `/proc`.
fn run_without_proc(command: &mut Command) -> Run {
    let hide = || {
        let check = |result: libc::c_int| {
            if result == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        };
        // SAFETY: the strings are constants, and these calls may be made after a fork.
        unsafe {
            check(libc::unshare(libc::CLONE_NEWNS))?;
            let none = std::ptr::null();
            let private = libc::MS_REC | libc::MS_PRIVATE;
            check(libc::mount(none, c"/".as_ptr(), none, private, none.cast()))?;
            let kind = c"tmpfs".as_ptr();
            check(libc::mount(kind, c"/proc".as_ptr(), kind, 0, none.cast()))
        }
    };
    // SAFETY: the closure makes system calls only and allocates nothing.
    unsafe { command.pre_exec(hide) };
    command.output().expect("the command runs").into()
}

#[test]
fn a_list_that_could_not_be_made_does_not_say_that_nobody_listens() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let server = Fixture::server(&port);
    for arguments in [&["--list"][..], &["--list", &port.to_string()]] {
        let run = run_without_proc(&mut command(arguments))
            .exits(1)
            .prints_nothing()
            .complains("/proc can't be read");
        assert!(!run.err.contains("error: 0: "), "{run:#?}");
    }
    let number = port.to_string();
    for arguments in [&[number.as_str()] as &[&str], &["-n", &number]] {
        let run = run_without_proc(&mut command(arguments))
            .exits(1)
            .prints("could not be looked at")
            .complains("/proc can't be read");
        assert!(!run.out.contains("held"), "{run:#?}");
    }
    run_without_proc(&mut command(&["--json", &number]))
        .exits(1)
        .prints("\"outcome\":\"unknown\"");
    assert!(server.is_alive());
    run(&port.to_string()).exits(0);
    // That a port is free, the kernel tells without it.
    run_without_proc(&mut command(&[port.to_string()])).exits(0);
}

#[test]
fn a_process_with_thousands_of_sockets_is_listed_in_little_memory() {
    let port = Port::claim();
    let role = Fixture::role("many_sockets").port(&port).set("count", 4000);
    let server = match role.try_start() {
        Ok(server) => server,
        Err(why) => return skip(&why),
    };
    // A copy of all its sockets for each of them would be a gigabyte.
    let run = run_with(libc::RLIMIT_AS, 512 << 20, &["--list"]).exits(0);
    let pid = server.pid().to_string();
    // Somebody may listen at a port of the same number.
    let pids = run.out.lines().map(|line| line.split_whitespace().nth(3));
    assert_eq!(pids.filter(|found| *found == Some(&pid)).count(), 4000);
    run_with(libc::RLIMIT_AS, 512 << 20, &["--list", "--json"]).exits(0);
}
