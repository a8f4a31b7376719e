//! How many system calls a kill takes, as strace(1) counts them where it is installed.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use kill_port_fixture::takes;

use crate::command::command;
use crate::fixture::linux::root_or_skip;
use crate::fixture::{Fixture, Params, RoleKind, say, skip};

pub const ROLES: &[RoleKind] = &[RoleKind::new(
    "counted",
    &[takes![programs: usize]],
    counted,
)];

/// Starts a server and so many programs with three descriptors each, frees the port, and says how many calls that took. It is meant for
/// namespaces of its own, where there is nobody else.
fn counted(params: &Params) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    // By its number: musl has no name for it.
    // SAFETY: the call takes numbers; what it marks is closed in the programs that are started from here on.
    let marked = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    assert_eq!(marked, 0, "{}", std::io::Error::last_os_error());
    let sleep = |stdin: Stdio| {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000").stdin(stdin);
        sleep.stdout(Stdio::null()).stderr(Stdio::null());
        sleep.spawn().expect("sleep")
    };
    let mut server = sleep(OwnedFd::from(listener).into());
    let programs = params.get::<usize>("programs").expect("programs=NUMBER");
    let beside: Vec<Child> = (0..programs).map(|_| sleep(Stdio::null())).collect();
    let freeing = command(&[port.to_string()]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-U", "calls,name"]);
    strace.arg(freeing.get_program()).args(freeing.get_args());
    for (name, value) in freeing.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    // Where cargo lets libraries be looked for as well.
    strace.env_remove("LD_LIBRARY_PATH");
    let run = strace.stdin(Stdio::null()).output().expect("strace");
    for mut program in beside {
        let _ = program.kill();
        let _ = program.wait();
    }
    let _ = server.wait();
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let table = String::from_utf8_lossy(&run.stderr).into_owned();
    say(&table);
    let rows = table.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?.parse::<usize>().ok()?, words.next()?))
    });
    // A build for tests makes sure of each descriptor that it closes.
    let calls = rows.filter(|(_, name)| !["total", "fcntl"].contains(name));
    say(&format!(
        "calls {}",
        calls.map(|(count, _)| count).sum::<usize>()
    ));
}

/// How many calls it took, and of which kinds.
fn calls_among(programs: usize) -> (usize, Vec<String>) {
    let fixture = Fixture::role("counted")
        .set("programs", programs)
        .set("pidns", 1)
        .set("netns", 1)
        .spawn();
    let line = fixture.wait_line("calls ");
    let calls = line
        .strip_prefix("calls ")
        .and_then(|calls| calls.parse().ok());
    (calls.unwrap_or_else(|| panic!("{line}")), fixture.lines())
}

fn strace_or_skip() -> bool {
    let can_trace = Command::new("strace")
        .args(["-c", "-U", "calls,name", "true"])
        .output()
        .is_ok_and(|run| run.status.success());
    if !can_trace {
        skip("strace is not installed, or may not trace");
    }
    can_trace
}

/// All TCP sockets, those of other network namespaces included.
fn sockets_everywhere() -> u32 {
    let counts = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let mut words = counts.split_ascii_whitespace();
    words.find(|word| *word == "alloc");
    words.next().map_or(0, |count| count.parse().unwrap_or(0))
}

/// The least of some runs: on a busy machine a server takes its time to end, and is looked at more often.
fn least_calls_among(programs: usize) -> (usize, Vec<String>) {
    let runs = (0..5).map(|_| calls_among(programs));
    runs.min_by_key(|(calls, _)| *calls).expect("five runs")
}

/// One server took 850 calls on a machine with ninety processes, most of which were the kernel's own threads: one call each tells that
/// these have no descriptors.
#[test]
fn one_server_takes_fewer_than_half_of_the_calls_that_it_took() {
    if !root_or_skip() || !strace_or_skip() {
        return;
    }
    let ((few, table), (many, _)) = (least_calls_among(20), least_calls_among(80));
    if sockets_everywhere() > 2000 {
        skip(
            "there are thousands of sockets on this machine, so that everybody's network namespace is looked at",
        );
        return;
    }
    assert!(few < 425, "{table:#?}");
    // Each program with three descriptors took six.
    let each = many.saturating_sub(few).div_ceil(60);
    assert!(
        each <= 5,
        "{each}: {few} among 20 programs, {many} among 80"
    );
}
