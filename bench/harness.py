"""What bench/compare and bench/growth share: tools, helper processes, measuring.

Linux and Python 3.8 or later, standard library only.
"""

import ctypes
import datetime
import fcntl
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
WORK = BENCH / ".work"
# Where the tables and charts go.
PAGE = ROOT / "docs" / "benchmarks.md"
FLOOR, OURS = "floor", "kill_port"

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- building -----------------------------------------------------------------


def build(binary):
    """Compiles the helpers and, unless BINARY is given, the command; returns its path."""
    WORK.mkdir(exist_ok=True)
    compiler = os.environ.get("CC", "cc")
    for name in ("floor", "run", "server", "crowd", "connections"):
        subprocess.run([compiler, "-O2", "-Wall", "-static", "-o", WORK / name, BENCH / f"{name}.c"], check=True)
    if binary:
        return str(pathlib.Path(binary).resolve())
    say("building kill_port")
    subprocess.run(["cargo", "build", "--release", "--quiet", "--package", "kill_port-cli"], cwd=ROOT, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE,
    )
    return str(pathlib.Path(json.loads(metadata.stdout)["target_directory"]) / "release" / "kill_port")


def install():
    """Installs the other tools below bench/.work, and nowhere else."""
    WORK.mkdir(exist_ok=True)
    environment = dict(os.environ, CARGO_TARGET_DIR=str(WORK / "target"))
    subprocess.run(
        ["cargo", "install", "--quiet", "--locked", "--root", WORK, "killport@2.0.2"], env=environment, check=True
    )
    # The last release of this crate before it was rewritten is a library: it needs a main().
    previous = WORK / "previous"
    (previous / "src").mkdir(parents=True, exist_ok=True)
    (previous / "Cargo.toml").write_text(
        '[package]\nname = "previous_kill_port"\nversion = "0.1.10"\nedition = "2021"\n'
        '[dependencies]\nkill_port = "=0.1.10"\n[profile.release]\nlto = true\n[workspace]\n'
    )
    (previous / "src" / "main.rs").write_text(
        "fn main() {\n    for port in std::env::args().skip(1) {\n"
        "        let _ = kill_port::kill_port(port.parse().unwrap());\n    }\n}\n"
    )
    subprocess.run(
        ["cargo", "install", "--quiet", "--root", WORK, "--path", previous], env=environment, check=True
    )
    shutil.rmtree(WORK / "target", ignore_errors=True)
    if shutil.which("npm"):
        subprocess.run(
            ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", WORK, "kill-port@2.0.1", "fkill-cli@9.0.0"],
            check=True,
        )


# --- the tools ----------------------------------------------------------------


class Tool:
    """One way to free ports: `command(ports, pids)` is what is run."""

    def __init__(self, name, version, command):
        self.name, self.version, self.command = name, version, command


def find_tools(ours, before=None):
    """The floor, ours, a build of ours from BEFORE, and every other tool that is installed."""

    def located(name):
        path = os.pathsep.join([str(WORK / "bin"), str(WORK / "node_modules" / ".bin"), os.environ["PATH"]])
        return shutil.which(name, path=path)

    def version(*command):
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        found = re.search(rb"\d+\.\d+(\.\d+)*", run.stdout)
        return found.group().decode() if found else ""

    def npm_version(package):
        manifest = WORK / "node_modules" / package / "package.json"
        return json.loads(manifest.read_text())["version"] if manifest.exists() else ""

    text = lambda ports: [str(port) for port in ports]
    tools = [
        Tool(FLOOR, "", lambda ports, pids: [str(WORK / "floor"), span(ports)] + text(pids)),
        Tool(OURS, version(ours, "--version"), lambda ports, pids: [ours] + text(ports)),
    ]
    if before:
        before = str(pathlib.Path(before).resolve())
        tools.append(Tool("before", version(before, "--version"), lambda ports, pids: [before] + text(ports)))
    killport = located("killport")
    if killport:
        tools.append(Tool("killport", version(killport, "--version"), lambda ports, pids: [killport] + text(ports)))
    fuser = located("fuser")
    if fuser:
        arguments = lambda ports: [f"{port}/tcp" for port in ports]
        tools.append(Tool("fuser -k", version(fuser, "-V"), lambda ports, pids: [fuser, "-k"] + arguments(ports)))
    lsof = located("lsof")
    if lsof:
        line = "{} -t -i:{} | xargs -r kill"
        tools.append(
            Tool("lsof + kill", version(lsof, "-v"), lambda ports, pids: ["sh", "-c", line.format(lsof, ports[0])])
        )
    previous = located("previous_kill_port")
    if previous:
        tools.append(Tool("kill_port 0.1.10", "0.1.10", lambda ports, pids: [previous] + text(ports)))
    kill_port_npm = located("kill-port")
    if kill_port_npm:
        tools.append(
            Tool("npm kill-port", npm_version("kill-port"), lambda ports, pids: [kill_port_npm] + text(ports))
        )
    fkill = located("fkill")
    if fkill:
        tools.append(
            Tool("fkill", npm_version("fkill-cli"), lambda ports, pids: [fkill] + [f":{port}" for port in ports])
        )
    return tools


def span(ports):
    return f"{ports[0]}-{ports[-1]}" if len(ports) > 1 else str(ports[0])


# --- the stage: a network of our own, and helper processes that end with us -----


def isolate():
    """Prepares this process. Nothing is left on the machine when it ends, however it ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    # An ended server must not stay a zombie: some tools wait for the process to vanish.
    # Orphans of the helpers come to us as well, so they do not depend on what PID 1 is here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.geteuid() != 0:
        say("not root: using this machine's own network")
        return
    if LIBC.unshare(CLONE_NEWNET) != 0:
        say("no network namespace (%s): using this machine's own network" % os.strerror(ctypes.get_errno()))
        return
    with socket.socket() as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


class Helpers:
    """Helper processes that share one pipe: a byte says ready, its end says that all are gone."""

    def __init__(self, commands, ready):
        self.pipe, write_end = os.pipe()
        self.pids = []
        for command in commands:
            actions = [(os.POSIX_SPAWN_DUP2, write_end, 1)]
            self.pids.append(os.posix_spawn(command[0], command, os.environ, file_actions=actions))
        os.close(write_end)
        while ready > 0:
            bytes_read = len(os.read(self.pipe, 65536))
            if bytes_read == 0:
                raise SystemExit(f"{pathlib.Path(commands[0][0]).name} failed")
            ready -= bytes_read

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while os.read(self.pipe, 65536):
            pass
        os.close(self.pipe)


def servers(ports):
    return Helpers([[str(WORK / "server"), str(port)] for port in ports], len(ports))


def crowd(processes, descriptors):
    return Helpers([[str(WORK / "crowd"), str(processes), str(descriptors)]], processes)


def connections(total):
    """Spread over several processes, and over as many addresses, since both are limited."""
    each = 5000
    commands = []
    for index, start in enumerate(range(0, total, each)):
        address = f"127.0.{1 + index // 250}.{1 + index % 250}"
        commands.append([str(WORK / "connections"), str(min(each, total - start)), address])
    return Helpers(commands, len(commands))


PORTS = itertools.cycle(range(20001, 32001))


def fresh_ports(count=1):
    """COUNT neighbouring ports that nobody holds, not used in the last few runs."""
    found = []
    for port in PORTS:
        if found and found[-1] + 1 != port:
            found = []
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                found = []
                continue
        found.append(port)
        if len(found) == count:
            return found


# --- measuring ------------------------------------------------------------------


def measure(tool, ports, pids, limit=60):
    """One run: milliseconds, peak memory in KiB, and whether the ports came free."""
    command = [str(WORK / "run"), span(ports), str(limit)] + tool.command(ports, pids)
    read_end, write_end = os.pipe()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, write_end, 1)])
    os.close(write_end)
    with os.fdopen(read_end) as output:
        fields = output.read().split()
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
    if len(fields) != 4:
        raise SystemExit(f"no result from {command}")
    nanoseconds, memory, status, free = map(int, fields)
    if status == 127:
        raise SystemExit(f"could not run {command[3:]}")
    return {"ms": nanoseconds / 1e6, "kib": memory, "free": bool(free)}


def in_turn(tools, run_number):
    """Every tool once, beginning with another one each time."""
    shift = run_number % len(tools)
    return tools[shift:] + tools[:shift]


def summary(runs):
    """The median of the runs that freed the port; None if any did not."""
    if not runs or not all(run["free"] for run in runs):
        return None
    return statistics.median(run["ms"] for run in runs)


# --- reporting --------------------------------------------------------------------


def machine():
    cpu = "unknown CPU"
    for line in open("/proc/cpuinfo"):
        if line.startswith(("model name", "Model", "Processor")):
            cpu = " ".join(line.split(":", 1)[1].split())
            break
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": ".".join(os.uname().release.split(".")[:2]), "date": datetime.date.today().isoformat()}


def milliseconds(value):
    if value is None:
        return "✗"
    if value < 9.95:
        return f"{value:.1f} ms"
    if value < 9999.5:
        return f"{value:.0f} ms"
    return f"{value / 1000:.1f} s"


def ratio(value, floor):
    if value is None or not floor:
        return ""
    times = value / floor
    return f"×{times:.1f}" if times < 9.95 else f"×{times:.0f}"


def check_markers(name):
    """Before measuring for minutes: can the result be written?"""
    if f"<!-- {name} -->" not in PAGE.read_text():
        raise SystemExit(f"{PAGE} has no <!-- {name} --> and <!-- /{name} -->")


def write_section(name, text):
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = PAGE.read_text().partition(start)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{start}\n{text.strip()}\n{end}{after}")


def save(name, results):
    WORK.mkdir(exist_ok=True)
    (WORK / f"{name}.json").write_text(json.dumps(results, indent=1))


def load(name):
    path = WORK / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"nothing has been measured yet: {path} is missing")
    return json.loads(path.read_text())


def quiet_moment():
    """Lets the processes that were just started go to sleep before anything is timed."""
    time.sleep(0.1)
