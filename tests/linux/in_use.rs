//! A port on which nobody listens, and which can't be bound all the same: who keeps it is named, and ended where it is known to be right.

use std::io::Write as _;
use std::net::TcpStream;
use std::ops::ControlFlow;

use kill_port::{Fate, Include, KillOptions, Obstacle};

use super::answer::{Answer, kill, kill_plainly};
use super::caller::{answer, calling};
use crate::fixture::linux::proc::{self, can_bind};
use crate::fixture::linux::uses::{claim_untouched, client_from};
use crate::fixture::linux::{lists_bound_or_skip, netlink_can_be_refused_or_skip, root_or_skip};
use crate::fixture::{Fixture, Port, eventually};

fn plan(port: &Port) -> Answer {
    Answer::of_plan(&KillOptions::new().plan(port.number()))
}

fn with_clients() -> KillOptions {
    KillOptions::new().include(Include::Clients)
}

/// A server can start now, on any address.
#[track_caller]
fn is_bindable(port: &Port) {
    assert!(can_bind("0.0.0.0", port.number()), "{port} can't be bound");
}

/// A server without SO_REUSEADDR, and a worker that keeps its connection to this test.
struct LeftBehind {
    server: Fixture,
    /// This test's end of the connection, unless it was closed.
    stream: Option<TcpStream>,
    port: Port,
}

/// What this test does with its end.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It sends something that the worker does not read: nothing is left of such a connection when the worker ends.
    Sends,
    /// It closes it: CLOSE_WAIT.
    Closes,
    /// It does nothing.
    Keeps,
}

impl LeftBehind {
    fn start(end: End, on_term: &str) -> Self {
        let port = claim_untouched();
        let server = Fixture::role("left_behind")
            .port(&port)
            .set("heard", u8::from(end != End::Keeps))
            .set("worker_on_term", on_term)
            .start();
        let mut stream = TcpStream::connect(("127.0.0.1", port.number())).expect("connect");
        match end {
            End::Sends => stream.write_all(b"unread").expect("write"),
            End::Closes => stream
                .shutdown(std::net::Shutdown::Write)
                .expect("shutdown"),
            End::Keeps => {}
        }
        server.wait_line("worker ready");
        Self {
            server,
            stream: (end != End::Closes).then_some(stream),
            port,
        }
    }

    fn worker(&self) -> u32 {
        self.server.pid_of("worker")
    }

    /// The server ends before anybody asks.
    fn end_server(&self) {
        self.server.signal(libc::SIGKILL);
        self.server.exit_status();
    }
}

#[test]
fn a_client_whose_own_connection_has_the_port_is_named_with_where_that_leads() {
    let ports = [claim_untouched(), Port::claim()];
    let client = client_from(&ports).set("on_term", "swallow").start();
    for answer in [kill_plainly(ports[0].number()), plan(&ports[0])] {
        answer.held(&[("client", client.pid())]);
        answer.mentions(&format!("(PID {})", client.pid()));
        answer.mentions(&format!("its connection to 127.0.0.1:{}", ports[1]));
        answer.mentions("include clients");
        answer.told(&[(client.pid(), "spared", "")]);
    }
    assert!(client.signals().is_empty());
}

#[test]
fn a_client_is_named_to_a_caller_to_whom_netlink_is_refused_as_well() {
    if !netlink_can_be_refused_or_skip() {
        return;
    }
    let ports = [claim_untouched(), Port::claim()];
    let client = client_from(&ports).set("on_term", "swallow").start();
    let answer = answer(calling(&ports[0]).set("no_netlink", 1));
    answer.held(&[("client", client.pid())]);
    answer.mentions(&format!("its connection to 127.0.0.1:{}", ports[1]));
    assert!(client.signals().is_empty());
}

/// A client with this port whose connection the other end has broken off, and who has not noticed.
fn client_cut_off(ports: &[Port; 2]) -> Fixture {
    let client = client_from(ports)
        .set("sends", 1)
        .set("on_term", "swallow")
        .start();
    // SAFETY: `kill` takes two numbers; the peer is a process of the fixture, and waits.
    unsafe { libc::kill(client.pid_of("peer").cast_signed(), libc::SIGKILL) };
    // The kernel prints an address as a number in the machine's own byte order.
    let address = u32::from_ne_bytes([127, 0, 0, 1]);
    let local = format!(" {address:08X}:{:04X} ", ports[0].number());
    eventually("the connection is broken", || {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the table");
        !table.contains(&local)
    });
    client
}

#[test]
fn a_client_whose_connection_was_broken_off_is_a_client_still() {
    let ports = [claim_untouched(), Port::claim()];
    let client = client_cut_off(&ports);
    if !lists_bound_or_skip() {
        // That something is in the way is seen, and not what.
        kill_plainly(ports[0].number()).held(&[("unbindable", 0)]);
        assert!(client.signals().is_empty());
        return;
    }
    for answer in [kill_plainly(ports[0].number()), plan(&ports[0])] {
        answer.held(&[("client", client.pid())]);
        answer.told(&[(client.pid(), "spared", "")]);
    }
    if netlink_can_be_refused_or_skip() {
        // The other table does not list it, but that it is in the way is seen.
        let answer = answer(calling(&ports[0]).set("no_netlink", 1));
        assert!(!answer.free, "{answer:#?}");
    }
    assert!(client.signals().is_empty());
    let options = with_clients().grace(std::time::Duration::ZERO);
    kill(options, &ports[0].to_string()).freed(&[(client.pid(), "exited", "TERM,KILL")]);
    is_bindable(&ports[0]);
}

#[test]
fn a_client_whose_connection_was_broken_off_is_left_alone_where_a_server_can_bind() {
    let ports = [claim_untouched(), Port::claim()];
    let server = Fixture::server(&ports[1]);
    let client = Fixture::role("client")
        .set("local", format!("127.0.0.1:{}", ports[0]))
        .set("to", format!("127.0.0.1:{}", ports[1]))
        .start();
    // Nobody has accepted the connection.
    drop(server);
    kill_plainly(ports[0].number()).freed(&[]);
    assert!(client.is_alive());
}

#[test]
fn a_client_that_is_included_is_ended_and_the_port_can_be_bound() {
    let ports = [claim_untouched(), Port::claim()];
    let client = client_from(&ports).set("unread", 1).start();
    let planned = with_clients().plan(ports[0].number()).expect("a plan");
    assert!(planned.would_free(), "{planned:#?}");
    assert_eq!(planned.holders[0].holder.process.pid, client.pid());
    assert_eq!(planned.holders[0].fate, Fate::WouldSignal);
    assert!(client.is_alive());
    kill(with_clients(), &ports[0].to_string()).freed(&[(client.pid(), "exited", "TERM")]);
    is_bindable(&ports[0]);
    assert!(proc::is_running(client.pid_of("peer")));
}

#[test]
fn what_the_kernel_keeps_of_an_ended_client_is_an_error_too() {
    // The peer leaves its end open, so that the client's is in FIN_WAIT_1 for a moment and in FIN_WAIT_2 for a while.
    let ports = [claim_untouched(), Port::claim()];
    let client = client_from(&ports).start();
    let answer = kill(with_clients(), &ports[0].to_string());
    answer.held(&[("lingering", 0)]);
    answer.told(&[(client.pid(), "exited", "TERM")]);
    answer.mentions("FIN_WAIT_");
    assert!(!can_bind("0.0.0.0", ports[0].number()));
}

#[test]
fn a_worker_that_keeps_a_connection_of_the_ended_server_is_ended_as_well() {
    for end in [End::Closes, End::Sends] {
        let scene = LeftBehind::start(end, "exit");
        let (server, worker) = (scene.server.pid(), scene.worker());
        kill_plainly(scene.port.number())
            .freed(&[(server, "exited", "TERM"), (worker, "exited", "TERM")]);
        is_bindable(&scene.port);
        eventually("the worker is gone", || !proc::is_running(worker));
    }
}

#[test]
fn an_open_connection_that_the_kernel_keeps_after_its_worker_is_an_error() {
    // The other end stays open, and nothing is unread: the kernel waits for that end.
    let scene = LeftBehind::start(End::Keeps, "exit");
    let answer = kill_plainly(scene.port.number());
    answer.held(&[("lingering", 0)]);
    answer.told(&[
        (scene.server.pid(), "exited", "TERM"),
        (scene.worker(), "exited", "TERM"),
    ]);
    assert!(!can_bind("0.0.0.0", scene.port.number()));
    assert!(scene.stream.is_some());
}

#[test]
fn a_worker_of_a_server_that_had_ended_before_is_named_and_ended_when_clients_are_included() {
    for end in [End::Closes, End::Sends] {
        let scene = LeftBehind::start(end, "exit");
        scene.end_server();
        let worker = scene.worker();
        for answer in [kill_plainly(scene.port.number()), plan(&scene.port)] {
            answer.held(&[("client", worker)]);
            answer.mentions(&format!("(PID {worker})"));
        }
        assert!(scene.server.signals_after(worker).is_empty());
        assert!(!can_bind("0.0.0.0", scene.port.number()));
        kill(with_clients(), &scene.port.to_string()).freed(&[(worker, "exited", "TERM")]);
        is_bindable(&scene.port);
    }
}

#[test]
fn a_call_that_is_broken_off_at_the_server_leaves_its_worker_alone() {
    let scene = LeftBehind::start(End::Closes, "swallow");
    let result = KillOptions::new().kill_with(scene.port.number(), |event| match event {
        kill_port::Event::Signalled { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    Answer::of(&result).held(&[("cancelled", 0)]);
    scene.server.exit_status();
    assert!(scene.server.signals_after(scene.worker()).is_empty());
}

#[test]
fn connections_in_time_wait_of_a_server_with_so_reuseaddr_do_not_keep_the_port() {
    let port = claim_untouched();
    let program = Fixture::role("lingering")
        .port(&port)
        .set("reuse", 1)
        .start();
    kill_plainly(port.number()).was_free();
    let planned = plan(&port);
    assert!(planned.free && planned.holders.is_empty(), "{planned:#?}");
    is_bindable(&port);
    assert!(program.is_alive());
}

#[test]
fn connections_in_time_wait_of_a_server_without_so_reuseaddr_are_an_error() {
    let port = claim_untouched();
    let program = Fixture::role("lingering").port(&port).start();
    assert!(!can_bind("0.0.0.0", port.number()));
    for answer in [kill_plainly(port.number()), plan(&port)] {
        answer.held(&[("lingering", 0)]);
        answer.told(&[]);
        answer.mentions("1 in TIME_WAIT");
        answer.mentions("SO_REUSEADDR");
    }
    let error = KillOptions::new()
        .kill(port.number())
        .expect_err("it is kept");
    let [Obstacle::Lingering { states, .. }] = error.obstacles() else {
        panic!("{error:?}");
    };
    assert_eq!(states[0].count, 1);
    assert!(
        states[0]
            .longest
            .is_some_and(|longest| longest.as_secs() <= 60)
    );
    assert!(program.is_alive());
}

#[test]
fn another_users_client_is_told_as_far_as_it_can_be_seen() {
    if !root_or_skip() {
        return;
    }
    let ports = [claim_untouched(), Port::claim()];
    let client = client_from(&ports).start();
    // The caller may not look into the client: only the connection is known.
    let answer = answer(calling(&ports[0]).set("uid", 65534));
    answer.held(&[("client", 0)]);
    answer.mentions(&format!("its connection to 127.0.0.1:{}", ports[1]));
    answer.mentions("ask as root");
    assert!(client.is_alive());
}

/// Its descriptors are closed one after the other, and then the sockets among them: for so long a connection has no owner.
#[test]
fn a_worker_that_takes_its_time_to_end_is_waited_for() {
    let port = claim_untouched();
    let server = Fixture::role("left_behind")
        .port(&port)
        .set("heard", 1)
        .set("watchers", 10)
        .start();
    drop(TcpStream::connect(("127.0.0.1", port.number())).expect("connect"));
    server.wait_line("worker ready");
    kill_plainly(port.number()).freed(&[
        (server.pid(), "exited", "TERM"),
        (server.pid_of("worker"), "exited", "TERM"),
    ]);
    is_bindable(&port);
}

#[test]
fn a_worker_that_keeps_a_connection_and_ignores_sigterm_gets_sigkill() {
    let scene = LeftBehind::start(End::Closes, "ignore");
    let options = KillOptions::new().grace(std::time::Duration::from_millis(300));
    kill(options, &scene.port.to_string()).freed(&[
        (scene.server.pid(), "exited", "TERM"),
        (scene.worker(), "exited", "TERM,KILL"),
    ]);
    is_bindable(&scene.port);
}
