//! All kinds of servers that the fixtures have, with what chance chooses about each.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream, UdpSocket};

use kill_port_fixture::linux::uses::claim_untouched;
use kill_port_fixture::{Fixture, Port, Role};

use crate::act::{Act, Frees, Stage};
use crate::dice::Dice;

/// What sets one up; an error is why this kernel can't.
pub type Kind = fn(&mut Dice, &Stage) -> Result<Act, String>;

/// Those that come more often stand here more than once.
pub const KINDS: &[Kind] = &[
    server,
    server,
    server,
    server,
    odd_server,
    odd_server,
    prefork,
    prefork,
    supervisor,
    supervisor,
    daemon,
    tree,
    listen,
    passed,
    private_table,
    main_thread_gone,
    io_uring,
    shared,
    shared,
    in_flight,
    closed_while_waiting,
    hands_on,
    bound_plainly,
    plain_client,
    client,
    left_behind,
    left_behind,
    lingering,
    one_shot_loop,
    restarts_itself,
    restarts_itself,
    reopens,
    binds_later,
    keeps_two,
    two_then_bound,
    waits_for_the_port,
    two_in_turn,
    udp_for_one,
    udp_sender,
    many_sockets,
    nobody,
    elsewhere,
];

const NOBODY: u32 = 65534;

/// A manner of taking a signal, and whether one may live on after it.
fn manner(dice: &mut Dice) -> (&'static str, bool) {
    dice.pick(&[
        ("default", false),
        ("exit", false),
        ("exit", false),
        ("ignore", true),
        ("swallow", true),
        ("cleanup:20", true),
        ("cleanup:300", true),
        ("release:0", true),
        ("release:100", true),
    ])
}

fn sockets(act: &mut Act, dice: &mut Dice, role: Role) -> Role {
    let (listen, has_tcp, has_udp) = dice.pick(&[
        ("tcp/127.0.0.1", true, false),
        ("tcp/0.0.0.0", true, false),
        ("tcp/::", true, false),
        ("tcp6only/::", true, false),
        ("tcp6only/::1", true, false),
        ("tcp/127.0.0.1,tcp6only/::1", true, false),
        ("tcp/127.0.0.1,tcp/127.0.0.2", true, false),
        ("udp/127.0.0.1", false, true),
        ("udp/::", false, true),
        ("tcp/0.0.0.0,udp/0.0.0.0", true, true),
        ("mptcp/127.0.0.1", true, false),
        ("bound/127.0.0.1", true, false),
        ("bound/127.0.0.1,tcp/127.0.0.2", true, false),
    ]);
    (act.has_tcp, act.has_udp) = (has_tcp, has_udp);
    act.welcomes = matches!(listen, "tcp/127.0.0.1" | "tcp/0.0.0.0" | "tcp/::");
    role.listen(listen)
}

/// Two ports on which nothing lingers that an earlier scene has left.
fn two_ports() -> Vec<Port> {
    vec![claim_untouched(), claim_untouched()]
}

/// One fixture on one port.
fn alone(
    kind: &'static str,
    stage: &Stage,
    set: impl FnOnce(&mut Act, Role) -> Role,
) -> Result<Act, String> {
    alone_in(kind, kind, stage, set)
}

fn alone_in(
    kind: &'static str,
    role: &str,
    stage: &Stage,
    set: impl FnOnce(&mut Act, Role) -> Role,
) -> Result<Act, String> {
    let port = claim_untouched();
    let role = stage.role(role).port(&port);
    let mut act = Act::new(kind, vec![port], stage);
    let role = set(&mut act, role);
    let fixture = role.try_start()?;
    Ok(act.with(fixture))
}

/// The same with a second port.
fn with_two(kind: &'static str, stage: &Stage, set: impl FnOnce(&mut Act, Role) -> Fixture) -> Act {
    let ports = two_ports();
    let role = stage
        .role(kind)
        .port(&ports[0])
        .set("second", ports[1].number());
    let mut act = Act::new(kind, ports, stage);
    let fixture = set(&mut act, role);
    act.with(fixture)
}

fn server(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (on_term, is_stubborn) = manner(dice);
    alone("server", stage, |act, role| {
        act.is_stubborn = is_stubborn;
        act.tells = !matches!(on_term, "default" | "ignore");
        let mut role = sockets(act, dice, role).set("on_term", on_term);
        if dice.chance(15) {
            role = role.set("stop", 1);
        }
        if dice.chance(15) {
            role = role.set("reuseport", 1);
        }
        role
    })
}

fn odd_server(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (on_term, is_stubborn) = manner(dice);
    alone_in("odd server", "server", stage, |act, role| {
        act.is_stubborn = is_stubborn;
        let role = sockets(act, dice, role).set("on_term", on_term);
        match dice.below(8) {
            0 => role.set("fd", 900),
            1 => role.set("fill_fds", 300),
            2 => role.set("threads", 8),
            3 => {
                act.is_roots = false;
                role.set("late_uid", NOBODY)
            }
            4 => {
                act.is_roots = false;
                role.set("late_uid", NOBODY).set("dumpable", 0)
            }
            5 => {
                act.is_roots = false;
                role.set("uid", NOBODY)
            }
            // Some take another signal for "stop".
            6 => {
                let name = dice.pick(&["postgres", "uwsgi", "node", "\u{1b}[31mevil\n1"]);
                role.set("name", name)
            }
            _ => {
                act.welcomes = false;
                role.set("pidns", 1)
            }
        }
    })
}

fn prefork(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("prefork", stage, |act, role| {
        let role = sockets(act, dice, role)
            .set("on_term", dice.pick(&["exit", "exit", "swallow", "ignore"]))
            .set(
                "worker_on_term",
                dice.pick(&["default", "exit", "ignore", "cleanup:100"]),
            )
            .set("workers", dice.below(5) + 1)
            .set("respawn", u8::from(dice.chance(80)));
        act.is_stubborn = true;
        if !dice.chance(20) {
            return role;
        }
        act.is_roots = false;
        role.set("worker_uid", NOBODY)
    })
}

fn supervisor(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("supervisor", stage, |act, role| {
        act.is_stubborn = true;
        act.returns = true;
        let mut role = sockets(act, dice, role)
            .set(
                "on_term",
                dice.pick(&["default", "exit", "ignore", "cleanup:50"]),
            )
            .set("delay", dice.pick(&[0, 0, 20, 100]));
        act.frees = match dice.below(3) {
            0 => {
                role = role.set("limit", 0);
                Frees::Surely
            }
            1 => {
                role = role.set("limit", dice.below(3) + 1);
                Frees::Perhaps
            }
            _ => Frees::Never,
        };
        if dice.chance(20) {
            // A watcher by its name.
            role = role.set("name", "nodemon");
        }
        if dice.chance(30) {
            act.frees = Frees::Perhaps;
            role = role.set("startup", dice.pick(&[20, 150]));
        }
        if dice.chance(20) {
            role = role.set("goes_on", 1);
        }
        role
    })
}

fn daemon(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (on_term, is_stubborn) = manner(dice);
    alone("daemon", stage, |act, role| {
        act.is_stubborn = is_stubborn;
        sockets(act, dice, role)
            .set("on_term", on_term)
            .set("setsid", u8::from(dice.chance(50)))
    })
}

fn tree(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (on_term, is_stubborn) = manner(dice);
    alone("tree", stage, |act, role| {
        act.is_stubborn = is_stubborn;
        sockets(act, dice, role)
            .set("on_term", on_term)
            .set("children", dice.below(3))
            .set("grandchildren", dice.below(3))
    })
}

fn listen(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("listen", stage, |_, role| {
        role.set("tree", dice.pick(&["1", "2,1"]))
    })
}

fn passed(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (on_term, is_stubborn) = manner(dice);
    alone("passed", stage, |act, role| {
        act.is_stubborn = is_stubborn;
        act.welcomes = true;
        role.set("on_term", on_term)
    })
}

fn private_table(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (on_term, is_stubborn) = manner(dice);
    alone("private_table", stage, |act, role| {
        act.is_stubborn = is_stubborn;
        act.welcomes = true;
        role.set("on_term", on_term).set("threads", dice.below(4))
    })
}

fn main_thread_gone(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (on_term, is_stubborn) = manner(dice);
    alone("main_thread_gone", stage, |act, role| {
        act.is_stubborn = is_stubborn;
        act.welcomes = true;
        role.set("on_term", on_term)
    })
}

fn io_uring(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    // It can't release what has no descriptor.
    let on_term = dice.pick(&["default", "exit", "swallow", "cleanup:50"]);
    alone("io_uring", stage, |act, role| {
        act.is_stubborn = true;
        role.set("on_term", on_term)
    })
}

fn shared(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let port = claim_untouched();
    let mut act = Act::new("shared", vec![port], stage);
    act.is_stubborn = true;
    let far = dice.pick(&["fd", "private_table", "io_uring"]);
    let of_near = manner(dice).0;
    // It can't release what has no descriptor.
    let of_far = dice.pick(&["default", "exit", "swallow", "cleanup:50"]);
    let mut role = stage
        .role("shared")
        .port(&act.ports[0])
        .set("far", far)
        .set("near_on_term", of_near)
        .set("far_on_term", of_far);
    if dice.chance(20) {
        act.is_roots = false;
        role = role.set("near_uid", NOBODY);
    }
    if dice.chance(20) {
        act.is_roots = false;
        role = role.set("far_uid", NOBODY);
    }
    let fixture = role.spawn();
    for line in ["near ready", "far ready"] {
        let said = fixture.wait_any(&[line, "unsupported"]);
        if said.starts_with("unsupported") {
            return Err(said);
        }
    }
    Ok(act.with(fixture))
}

fn in_flight(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("in_flight", stage, |act, role| {
        act.frees = Frees::Never;
        role
    })
}

fn closed_while_waiting(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("closed_while_waiting", stage, |act, role| {
        act.frees = Frees::Never;
        role
    })
}

fn hands_on(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("hands_on", stage, |act, role| {
        act.frees = Frees::Perhaps;
        act.is_fleeting = true;
        role.set("each_ms", dice.pick(&[5, 20, 50]))
    })
}

fn bound_plainly(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (on_term, is_stubborn) = manner(dice);
    alone("bound_plainly", stage, |act, role| {
        act.is_stubborn = is_stubborn;
        act.tells = !matches!(on_term, "default" | "ignore");
        role.set("on_term", on_term)
    })
}

fn plain_client(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let ports = two_ports();
    let fixture = stage
        .role("plain_client")
        .port(&ports[0])
        .set("peer", ports[1].number())
        .set("unread", u8::from(dice.chance(50)))
        .set(
            "on_term",
            dice.pick(&["default", "exit", "ignore", "cleanup:50"]),
        )
        .start();
    let mut act = Act::new("plain_client", ports, stage).frees(Frees::Never);
    // The second port is free, though connections have it.
    act.ports.truncate(1);
    act.is_stubborn = true;
    Ok(act.with(fixture))
}

fn client(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let ports = two_ports();
    let server = stage.role("server").port(&ports[1]).start();
    let client = stage
        .role("client")
        .set("local", format!("127.0.0.1:{}", ports[0]))
        .set("to", format!("127.0.0.1:{}", ports[1]))
        .start();
    let act = Act::new("client", ports, stage).frees(Frees::Perhaps);
    Ok(act.with(client).with(server))
}

fn left_behind(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let (sends, closes) = dice.pick(&[(true, false), (false, true), (false, false)]);
    let on_term = dice.pick(&["default", "exit", "ignore", "cleanup:50"]);
    let mut act = alone("left_behind", stage, |act, role| {
        act.frees = Frees::Perhaps;
        act.is_stubborn = true;
        role.set("heard", u8::from(sends || closes))
            .set("watchers", dice.pick(&[0, 0, 10]))
            .set("worker_on_term", on_term)
    })?;
    let to = ("127.0.0.1", act.ports[0].number());
    let mut stream = TcpStream::connect(to).expect("connect");
    if sends {
        stream.write_all(b"unread").expect("write");
    }
    if closes {
        stream.shutdown(Shutdown::Write).expect("shutdown");
    }
    act.cast[0].wait_line("worker ready");
    if !closes {
        act.connections.0.push(stream);
    }
    Ok(act)
}

fn lingering(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("lingering", stage, |act, role| {
        act.frees = Frees::Perhaps;
        role.set("reuse", u8::from(dice.chance(50)))
    })
}

fn one_shot_loop(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let act = alone("one_shot_loop", stage, |act, role| {
        act.frees = Frees::Perhaps;
        act.returns = true;
        act.is_fleeting = true;
        role
    })?;
    act.cast[0].wait_line("served");
    Ok(act)
}

fn restarts_itself(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("restarts_itself", stage, |act, role| {
        act.frees = Frees::Perhaps;
        act.is_stubborn = true;
        act.returns = true;
        role.set("by", dice.pick(&["fork", "fork_twice", "exec"]))
            .set("delay", dice.pick(&[0, 0, 20, 100]))
            .set("pause", dice.pick(&[0, 20]))
    })
}

fn reopens(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("reopens", stage, |act, role| {
        act.is_stubborn = true;
        act.returns = true;
        let every = dice.pick(&[5, 20, 50, 150]);
        if every < 50 {
            // It may be another socket before anybody can look whose the last one is.
            act.frees = Frees::Perhaps;
        }
        role.set("every", every)
    })
}

fn binds_later(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("binds_later", stage, |act, role| {
        act.frees = Frees::Never;
        act.returns = true;
        role
    })
}

fn keeps_two(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    Ok(with_two("keeps_two", stage, |act, role| {
        act.frees = Frees::Never;
        act.returns = true;
        let fixture = role.spawn();
        fixture.wait_count("pid server ", 2);
        fixture
    }))
}

fn two_then_bound(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    Ok(with_two("two_then_bound", stage, |act, role| {
        act.frees = Frees::Perhaps;
        act.returns = true;
        act.is_stubborn = true;
        let fixture = role
            .set("gap", dice.pick(&[0, 500, 20_000]))
            .set("delay", dice.pick(&[0, 50, 100]))
            .spawn();
        fixture.wait_count("listens", 2);
        fixture
    }))
}

/// A server, and a stranger who waits for its port.
fn waits_for_the_port(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let port = claim_untouched();
    let server = stage.role("server").port(&port).start();
    let stranger = stage
        .role("waits_for_the_port")
        .port(&port)
        .set("on_term", dice.pick(&["exit", "swallow", "cleanup:20"]))
        .start();
    let mut act = Act::new("waits_for_the_port", vec![port], stage);
    act.is_stubborn = true;
    // Nobody knows that the stranger waits.
    act.is_fleeting = true;
    act.returns = true;
    Ok(act.frees(Frees::Perhaps).with(server).with(stranger))
}

fn two_in_turn(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("two_in_turn", stage, |act, role| {
        act.is_stubborn = true;
        act.returns = true;
        act.frees = Frees::Perhaps;
        role.set("on_term", dice.pick(&["exit", "ignore"]))
    })
}

fn udp_for_one(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    let mut act = alone("udp_for_one", stage, |act, role| {
        (act.has_tcp, act.has_udp) = (false, true);
        role
    })?;
    if dice.chance(60) {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let to = ("127.0.0.1", act.ports[0].number());
        client.send_to(b"?", to).expect("send");
        act.cast[0].wait_line("connected");
        act.connections.1.push(client);
    }
    Ok(act)
}

fn udp_sender(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("udp_sender", stage, |act, role| {
        (act.has_tcp, act.has_udp) = (false, true);
        role
    })
}

fn many_sockets(dice: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone("many_sockets", stage, |act, role| {
        (act.has_tcp, act.has_udp) = (false, true);
        role.set("count", dice.pick(&[2, 50, 400]))
    })
}

fn nobody(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    Ok(Act::new("nobody", vec![claim_untouched()], stage))
}

/// A server in another network namespace: here, the port is free.
fn elsewhere(_: &mut Dice, stage: &Stage) -> Result<Act, String> {
    alone_in("elsewhere", "server", stage, |act, role| {
        act.is_elsewhere = true;
        role.set("netns", 1)
    })
}
