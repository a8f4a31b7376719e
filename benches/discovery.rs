//! Finding who listens, beside the `listeners` crate, in the same run: `cargo bench --bench discovery`.
//!
//! The loads are those of `listeners`' own benches: 10, 100 and 1000 processes that open ten ports each, half of them TCP
//! and half UDP, in IPv4 and in IPv6. Three questions are asked: who listens on any port, who on one that is in
//! use, who on one that is not. `listeners` names one process per socket, `kill_port` every one.
//!
//! The processes of a load are this program again. They end with it, since they wait for the end of a pipe that only it holds open.

#![allow(missing_docs)]

use std::{
    env, io,
    io::{BufRead, BufReader, PipeWriter, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use divan::{Bencher, black_box};
use kill_port::{Protocol, Target};

/// Set in the processes of a load.
const ROLE: &str = "KILL_PORT_BENCH_ROLE";

fn main() {
    if env::var_os(ROLE).is_some() {
        open_ports();
    } else if env::args().any(|argument| argument == "--bench") {
        divan::main();
        *lock(&LOAD) = None;
    } else {
        // `cargo test --benches` runs this as well; it is no test, and a thousand processes would take their time.
        println!("run it with: cargo bench --bench discovery");
    }
}

/// One process of a load: opens its ports, prints them, and waits for the end of its standard input.
fn open_ports() {
    const V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let addresses = [V4, V6, V4, V6, V4];
    let tcp = addresses.map(|address| TcpListener::bind((address, 0)).expect("a free TCP port"));
    let udp = addresses.map(|address| UdpSocket::bind((address, 0)).expect("a free UDP port"));
    let mut line = String::new();
    for listener in &tcp {
        line += &format!(
            "{}/tcp ",
            listener.local_addr().expect("its address").port()
        );
    }
    for socket in &udp {
        line += &format!("{}/udp ", socket.local_addr().expect("its address").port());
    }
    println!("{line}");
    io::stdout().flush().expect("the ports are read");
    drop(io::stdin().read_to_end(&mut Vec::new()));
}

/// The processes that run now. One load serves all benches that want it.
struct Load {
    size: usize,
    processes: Vec<Child>,
    active: Vec<Port>,
    /// When it is closed, the processes end.
    leash: Option<PipeWriter>,
}

/// The same port in the words of both libraries.
#[derive(Clone, Copy)]
struct Port {
    target: Target,
    number: u16,
    protocol: listeners::Protocol,
}

impl Port {
    fn parse(text: &str) -> Self {
        let target: Target = text.parse().expect("PORT/PROTOCOL");
        Self {
            number: target.port(),
            protocol: if target.protocol() == Some(Protocol::Udp) {
                listeners::Protocol::UDP
            } else {
                listeners::Protocol::TCP
            },
            target,
        }
    }
}

static LOAD: Mutex<Option<Load>> = Mutex::new(None);

fn lock(load: &Mutex<Option<Load>>) -> std::sync::MutexGuard<'_, Option<Load>> {
    load.lock().expect("no bench has panicked")
}

impl Load {
    fn start(size: usize) -> io::Result<Self> {
        let (input, leash) = io::pipe()?;
        let mut load = Self {
            size,
            processes: Vec::new(),
            active: Vec::new(),
            leash: Some(leash),
        };
        let mut outputs = Vec::new();
        for _ in 0..size {
            let mut process = Command::new(env::current_exe()?)
                .env(ROLE, "1")
                .stdin(Stdio::from(input.try_clone()?))
                .stdout(Stdio::piped())
                .spawn()?;
            outputs.extend(process.stdout.take());
            load.processes.push(process);
            // Some at a time, since every output that is open takes a descriptor.
            if outputs.len() == 100 {
                load.read_ports(&mut outputs)?;
            }
        }
        load.read_ports(&mut outputs)?;
        Ok(load)
    }

    fn read_ports(&mut self, outputs: &mut Vec<std::process::ChildStdout>) -> io::Result<()> {
        for output in outputs.drain(..) {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            let ports = line.split_whitespace().map(Port::parse);
            self.active.extend(ports);
        }
        Ok(())
    }
}

impl Load {
    /// Both libraries find the holder of a port in use; without that, their times would mean nothing.
    fn check(&self) {
        let port = self.active.first().expect("a load has ports");
        let survey = kill_port::survey(port.target).expect("kill_port sees the sockets");
        assert!(survey.holders().len() == 1, "kill_port finds the holder");
        assert!(
            listeners::get_process_by_port(port.number, port.protocol).is_ok(),
            "listeners finds the holder"
        );
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.leash = None;
        for process in &mut self.processes {
            drop(process.wait());
        }
    }
}

/// The ports in use under a load of so many processes, which is started unless it runs already.
fn active(size: usize) -> Vec<Port> {
    let mut load = lock(&LOAD);
    if load.as_ref().is_none_or(|load| load.size != size) {
        *load = None;
        let started = Load::start(size).expect("the processes of the load start");
        started.check();
        *load = Some(started);
    }
    load.as_ref()
        .map(|load| load.active.clone())
        .expect("it was started")
}

/// As many ports that nobody listens on, far from those that the system hands out.
fn inactive(size: usize) -> Vec<Port> {
    active(size);
    let used = listeners::get_all().expect("listeners sees the sockets");
    let is_used = |port: &Port| {
        used.iter().any(|listener| {
            listener.socket.port() == port.number && listener.protocol == port.protocol
        })
    };
    (20_000..20_100)
        .map(|number| {
            Port::parse(&format!(
                "{number}/{}",
                if number % 2 == 0 { "tcp" } else { "udp" }
            ))
        })
        .filter(|port| !is_used(port))
        .collect()
}

/// Asks `question` about one of `ports` after the other.
fn ask<Answer>(bencher: Bencher, ports: &[Port], question: impl Fn(Port) -> Answer + Sync) {
    let mut next = ports.iter().cycle().step_by(7);
    bencher
        .with_inputs(move || next.next().copied().expect("a load has ports"))
        .bench_local_values(|port| question(black_box(port)));
}

/// One module per load, so that every load is started once.
macro_rules! under_load {
    ($name:ident, $processes:expr) => {
        mod $name {
            mod all_ports {
                #[divan::bench(sample_count = 20)]
                fn kill_port(bencher: divan::Bencher) {
                    crate::active($processes);
                    bencher.bench_local(kill_port::survey_all);
                }

                #[divan::bench(sample_count = 20)]
                fn listeners(bencher: divan::Bencher) {
                    crate::active($processes);
                    bencher.bench_local(listeners::get_all);
                }
            }

            mod active_port {
                #[divan::bench(sample_count = 20)]
                fn kill_port(bencher: divan::Bencher) {
                    crate::ask(bencher, &crate::active($processes), |port| {
                        kill_port::survey(port.target)
                    });
                }

                #[divan::bench(sample_count = 20)]
                fn listeners(bencher: divan::Bencher) {
                    crate::ask(bencher, &crate::active($processes), |port| {
                        listeners::get_process_by_port(port.number, port.protocol)
                    });
                }
            }

            mod inactive_port {
                #[divan::bench(sample_count = 20)]
                fn kill_port(bencher: divan::Bencher) {
                    crate::ask(bencher, &crate::inactive($processes), |port| {
                        kill_port::survey(port.target)
                    });
                }

                #[divan::bench(sample_count = 20)]
                fn listeners(bencher: divan::Bencher) {
                    crate::ask(bencher, &crate::inactive($processes), |port| {
                        listeners::get_process_by_port(port.number, port.protocol)
                    });
                }
            }
        }
    };
}

under_load!(high_1000_processes, 1000);
under_load!(low_10_processes, 10);
under_load!(medium_100_processes, 100);
