"""What the scripts share: options, tools, helper processes, measuring, and whether the machine was quiet.

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


# --- the command line ---------------------------------------------------------


def options(parser, quick, writes):
    """Adds what all scripts have in common, and reads the command line. QUICK is what --quick sets."""
    parser.add_argument("--quick", action="store_true", help="a small run, to try it out")
    parser.add_argument("--install", action="store_true", help="install the other tools below bench/.work first")
    parser.add_argument("--binary", help="measure this kill_port instead of building it")
    parser.add_argument("--write", action="store_true", help=f"write docs/{writes}.svg and the section in docs/benchmarks.md")
    parser.add_argument("--render", action="store_true", help="do not measure; use the last results")
    chosen = parser.parse_args()
    if chosen.quick:
        parser.set_defaults(**quick)
        chosen = parser.parse_args()
    for name, value in vars(chosen).items():
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, (int, float)) and not isinstance(number, bool) and number < 1 for number in numbers):
            parser.error(f"--{name.replace('_', '-')} starts at 1")
    if chosen.quick and chosen.write:
        parser.error("--quick is only a trial: it is not written")
    return chosen


def numbers(text):
    return [int(number) for number in text.split(",")]


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


def located(name):
    # An ordinary user's path may have no sbin.
    folders = [str(WORK / "bin"), str(WORK / "node_modules" / ".bin"), os.environ["PATH"], "/usr/sbin", "/sbin"]
    return shutil.which(name, path=os.pathsep.join(folders))


def version(*command):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    found = re.search(rb"\d+\.\d+(\.\d+)*", run.stdout)
    return found.group().decode() if found else ""


def floor():
    return Tool(FLOOR, "", lambda ports, pids: [str(WORK / "floor"), span(ports)] + [str(pid) for pid in pids])


def find_tools(ours, before=None):
    """The floor, ours, a build of ours from BEFORE, and every other tool that is installed."""

    def npm_version(package):
        manifest = WORK / "node_modules" / package / "package.json"
        return json.loads(manifest.read_text())["version"] if manifest.exists() else ""

    text = lambda ports: [str(port) for port in ports]
    tools = [
        floor(),
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


def engines():
    """The container engines that answer on this machine, at the places where kill_port looks: see src/containers/engine.rs."""
    home, runtime = pathlib.Path.home(), f"/run/user/{os.geteuid()}"
    selected = os.environ.get("DOCKER_HOST", "")
    places = [selected[len("unix://"):]] if selected.startswith("unix://") else []
    places += ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock"]
    for directory in {runtime, os.environ.get("XDG_RUNTIME_DIR", runtime)}:
        places += [f"{directory}/docker.sock", f"{directory}/podman/podman.sock"]
    for place in (".docker/run", ".docker/desktop", ".orbstack/run", ".colima/default", ".config/colima/default", ".rd"):
        places.append(f"{home}/{place}/docker.sock")
    found = set()
    for place in places:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            try:
                probe.connect(place)
            except OSError:
                continue
        found.add("Podman" if "podman" in place else "Docker")
    return sorted(found)


def span(ports):
    if not ports:
        return "-"
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


def connections(total, *ended):
    """Spread over several processes, and over as many addresses, since both are limited."""
    each = 5000
    commands = []
    for index, start in enumerate(range(0, total, each)):
        address = f"127.0.{1 + index // 250}.{1 + index % 250}"
        commands.append([str(WORK / "connections"), str(min(each, total - start)), address, *ended])
    return Helpers(commands, len(commands))


def time_waits():
    """How many sockets of this network are in TIME_WAIT."""
    return int(re.search(r"^TCP: .*\btw (\d+)", pathlib.Path("/proc/net/sockstat").read_text(), re.MULTILINE).group(1))


def check_time_waits(total):
    """Before measuring for minutes: can there be so many?"""
    limit = pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets")
    if limit.exists() and int(limit.read_text()) < total:
        raise SystemExit(f"no {total} sockets can be in TIME_WAIT here: net.ipv4.tcp_max_tw_buckets is {limit.read_text().strip()}")


def beside_time_waits(total, one_round):
    """What ONE_ROUND returns that had TOTAL sockets in TIME_WAIT beside it all the while.

    They vanish after 60 s, all about at once. A round in which they do is lost, and is repeated with new ones.
    """
    renewed = False
    while True:
        if time_waits() < total:
            # The rest of the old ones goes first: there shall not be twice as many for a while.
            patience = time.monotonic() + 10
            while time_waits() > total / 10 and time.monotonic() < patience:
                time.sleep(0.2)
            with connections(total, "ended"):
                pass
            if time_waits() < total:
                raise SystemExit(f"only {time_waits()} of {total} sockets stayed in TIME_WAIT")
            renewed = True
        result = one_round()
        if time_waits() >= total:
            return result
        if renewed:
            raise SystemExit("a round takes longer than TIME_WAIT lasts: use fewer tools")
        say("some sockets in TIME_WAIT vanished: once more, with new ones")


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
    """One run: milliseconds, peak memory in KiB, and whether the ports came free. Without ports, until it has exited."""
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


# --- was the machine quiet? -----------------------------------------------------

# What a run that counts has at most. An idle machine of two cores had 0.004, 0.001, 0.25 and 1.3; with one loop that kept
# one of them busy 0.5, 0, 0.25 and 7.5; with two 1, 0, 0.65 and 14.
BUSY, STOLEN, SPREAD, DRIFT = 0.05, 0.05, 0.5, 2.0


class Watch:
    """Collects during a run what shows afterwards whether the machine did something else meanwhile."""

    def __init__(self):
        self.start = processor_time()
        self.quiet = [0, 0]
        self.floors = []

    def quiet_moment(self):
        """To be called when nothing of ours has anything to do, and before anything is timed."""
        # The processes that were just started go to sleep first.
        time.sleep(0.1)
        before = processor_time()
        time.sleep(0.1)
        after = processor_time()
        self.quiet = [sum(ticks) for ticks in zip(self.quiet, (after["all"] - before["all"], after["idle"] - before["idle"]))]

    def floor(self, heading, runs, alike=True):
        """ALIKE are those that have the same to do."""
        self.floors.append({"heading": heading, "ms": [run["ms"] for run in runs], "alike": alike})

    def result(self):
        end = processor_time()
        ticks, idle = self.quiet
        return {
            "busy": 1 - idle / max(ticks, 1),
            "stolen": (end["stolen"] - self.start["stolen"]) / max(end["all"] - self.start["all"], 1),
            "floors": self.floors,
        }


def processor_time():
    """Of all cores together since the machine started."""
    with open("/proc/stat") as stat:
        user, nice, system, idle, iowait, irq, softirq, stolen = map(int, stat.readline().split()[1:9])
    every = user + nice + system + idle + iowait + irq + softirq + stolen
    return {"all": every, "idle": idle + iowait, "stolen": stolen}


def spread(values):
    """The distance of the quartiles, as a share of the median."""
    if len(values) < 2:
        return 0.0
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / median


def objections(watch):
    """Why a run is no result: sentences, none if the machine was quiet."""
    found = []
    if watch["busy"] > BUSY:
        found.append(f"something else took {watch['busy']:.0%} of the processors while this run paused")
    if watch["stolen"] > STOLEN:
        found.append(f"the machine was kept waiting by its host for {watch['stolen']:.0%} of the time")
    for floor in watch["floors"]:
        if spread(floor["ms"]) > SPREAD:
            found.append(
                f"the floor was unsteady ({floor['heading']}): half of its runs lay further apart than "
                f"{SPREAD:.0%} of their median, {milliseconds(statistics.median(floor['ms']))}"
            )
    alike = [(statistics.median(floor["ms"]), floor["heading"]) for floor in watch["floors"] if floor["alike"]]
    if alike and max(alike)[0] > DRIFT * min(alike)[0]:
        (low, where_low), (high, where_high) = min(alike), max(alike)
        found.append(f"the floor moved from {milliseconds(low)} ({where_low}) to {milliseconds(high)} ({where_high})")
    return found


# --- reporting --------------------------------------------------------------------


def machine():
    cpu = "unknown CPU"
    for line in open("/proc/cpuinfo"):
        if line.startswith(("model name", "Model", "Processor")):
            cpu = " ".join(line.split(":", 1)[1].split())
            break
    running = engines()
    if running:
        say(f"{' and '.join(running)} runs here: where nobody holds a port or all are listed, kill_port asks it too, and its time is in ours")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "kernel": ".".join(os.uname().release.split(".")[:2]),
        "date": datetime.date.today().isoformat(),
        "engines": running,
    }


def measured_on(script, results):
    """The beginning of a section."""
    machine = results["machine"]
    text = f"Measured on {machine['date']} with `bench/{script}` on an {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}"
    running = " and ".join(machine["engines"])
    return f"{text}, with {running} running, which kill_port asks as well where nobody holds a port or all are listed" if running else text


def versions(results):
    return ", ".join(f"{tool} {version}" for tool, version in results["tools"].items() if version and version not in tool)


def chart_note(results):
    machine = results["machine"]
    parts = [machine["date"], machine["cpu"], f"{machine['cores']} cores", f"Linux {machine['kernel']}"]
    return " · ".join(parts + [f"{engine} running" for engine in machine["engines"]])


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
    results = json.loads(path.read_text())
    if "watch" not in results:
        raise SystemExit(f"{path} is from an older version of this script: measure again")
    return results


def main(name, chosen, measure, table, section, write_chart):
    """The whole of a script behind its options. Only a run on a quiet machine is written."""
    if chosen.write:
        check_markers(name)
    if chosen.render:
        results = load(name)
    else:
        results = measure(chosen)
        save(name, results)
    print(table(results))
    if results["trial"]:
        print("\nOnly a trial (--quick): so few runs of so little say nothing about speed.")
    noise = objections(results["watch"])
    if noise:
        print("\nNO RESULT, the machine was not quiet:")
        for sentence in noise:
            print(f"- {sentence}")
        print("Measure again when nothing else runs." + (" Nothing was written." if chosen.write else ""))
        raise SystemExit(1)
    if chosen.write and results["trial"]:
        raise SystemExit("a trial is not written")
    if chosen.write:
        write_chart(results)
        write_section(name, section(results))
        say(f"wrote docs/{name}.svg and the section in docs/benchmarks.md")
