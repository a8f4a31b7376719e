"""What all parts of the test need."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib

FOLDER = pathlib.Path(__file__).resolve().parent.parent
ROOT = FOLDER.parent.parent
TOOLS = ROOT / "target" / "systems-tools"
PROJECT = tomllib.loads((FOLDER.parent / "project.toml").read_text())
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
VERSION = CARGO["version"]
NATIVE = "x86_64-unknown-linux-musl"
# By the program that is used: the package that brings it.
FROM_PYTHON = {"nfpm": "nfpm", "check-jsonschema": "check-jsonschema", "zizmor": "zizmor", "ansible-playbook": "ansible-core"}
FROM_DEBIAN = {"rpm": "rpm", "pacman": "pacman-package-manager", "ruby": "ruby", "nix-instantiate": "nix-bin", "curl": "curl", "unzip": "unzip"}
# A command that hangs is a failure.
LONGEST = 180
# Nothing of the caller's decides what happens.
OWN = {name: value for name, value in os.environ.items() if not re.match("KILL_PORT_|ANSIBLE_|GITHUB_|RUNNER_|NIX_|RUBY|GH_", name)}

sys.path.insert(0, str(FOLDER.parent / "pypi" / "tests"))
from server import Port, Server  # noqa: E402, F401


def say(text):
    print(f"systems: {text} ({time.strftime('%H:%M:%S')})", file=sys.stderr, flush=True)


def skip(text):
    say(f"SKIPPED: {text}")


def fail(text):
    sys.exit(f"systems: FAILED: {text}")


def run(*command, code=0, env=None, **more):
    """Its output. What it says is shown if it ends otherwise."""
    more = {"timeout": LONGEST, "stdin": subprocess.DEVNULL, **more}
    done = subprocess.run(
        list(map(str, command)), env={**OWN, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )
    if done.returncode != code:
        fail(f"{shlex.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def same(told, meant, what):
    if told != meant:
        fail(f"{what}: {told!r} where {meant!r} is meant")


def has(text, part, what):
    if part not in text:
        fail(f"{what}: {part!r} is not in {text!r}")


def fetch_tools():
    """Brings the tools that are missing, and tells which are there."""
    tool = TOOLS / "bin"
    missing = [package for name, package in FROM_PYTHON.items() if not (tool / name).exists()]
    if missing:
        say(f"fetching {', '.join(missing)}")
        if subprocess.run([sys.executable, "-m", "venv", TOOLS]).returncode:
            # Debian has it in a package of its own.
            say("no environment could be made (apt-get install python3-venv)")
            shutil.rmtree(TOOLS, ignore_errors=True)
            missing = []
        for package in missing:
            # Here the caller's settings count: they may name another index.
            subprocess.run([tool / "pip", "install", "--quiet", package], stdin=subprocess.DEVNULL)
    return {name: tool / name for name in FROM_PYTHON if (tool / name).exists()}


def fetch_programs():
    missing = [package for name, package in FROM_DEBIAN.items() if not shutil.which(name)]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        say(f"installing {', '.join(missing)}")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in ["update -qq", f"install -y -qq --no-install-recommends {' '.join(missing)}"]:
            subprocess.run(["apt-get", *command.split()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)


def archive_name(triple):
    return f"kill_port-{VERSION}-{triple}" + (".zip" if "windows" in triple else ".tar.gz")


def unpacked(archives, triple, to):
    """The folder that is in an archive."""
    to.mkdir(parents=True, exist_ok=True)
    shutil.unpack_archive(archives / archive_name(triple), to)
    return to / f"kill_port-{VERSION}-{triple}"


def frees(command, folder):
    """What was installed is this version, and frees the port of a real server."""
    same(run(command, "--version").strip(), f"kill_port {VERSION}", f"the version of {command}")
    port = Port()
    server = Server(port.number, cwd=folder)
    try:
        report = json.loads(run(command, "--json", "--in", folder, port.number))
        same(report["ports"][0]["outcome"], "freed", f"what {command} did")
        same(server.ended_by().name, "SIGTERM", f"how {command} ended a server")
    finally:
        server.end()
        port.give_back()
