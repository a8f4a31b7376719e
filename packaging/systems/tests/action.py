"""action.yml, run by a small runner of its steps."""

import contextlib
import functools
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading

from common import NATIVE, OWN, PROJECT, ROOT, TOOLS, Port, Server, archive_name, fail, has, run, same, say, skip

# PyYAML comes with ansible-core, into an environment that is not this one.
READ = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"


def test(archives, work):
    python = TOOLS / "bin" / "python"
    if not shutil.which("curl") or not python.exists() or subprocess.run([python, "-c", "import yaml"], stderr=subprocess.DEVNULL).returncode:
        return skip("the action: it takes curl, and PyYAML, which comes with ansible-core")
    action = json.loads(run(python, "-c", READ, ROOT / "action.yml"))
    with served(archives) as address:
        installs_and_frees(action, archives, address, work)
        refuses(action, archives, address, work)
        for target in PROJECT["target"]:
            name = f"kill_port{'.exe' if 'windows' in target['triple'] else ''}"
            if not (archives / archive_name(target["triple"])).exists():
                continue
            say(f"the action's first step as on {target['runner']}")
            machine = Runner(work / target["runner"], target["runner"])
            done = machine.run(action, {"from": address})
            same(done.returncode, 0, done.stdout)
            same((machine.path[0] / name).is_file(), True, f"{name} is in {machine.path}")


def installs_and_frees(action, archives, address, work):
    say("the action installs by checksum, and frees two ports in one folder")
    ports = [Port(), Port(), Port()]
    mine, others = work / "checkout", work / "elsewhere"
    mine.mkdir()
    others.mkdir()
    servers = [Server(ports[0].number, cwd=mine), Server(ports[1].number, cwd=mine), Server(ports[2].number, cwd=others)]
    try:
        checksum = hashlib.sha256((archives / archive_name(NATIVE)).read_bytes()).hexdigest()
        wanted = f"{ports[0].number}\n{ports[1].number}"
        inputs = {"ports": wanted, "in": str(mine), "options": "--grace 20s --tcp", "from": address, "sha256": f"{checksum.upper()}\n"}
        machine = Runner(work / "runner", "Linux-X64")
        done = machine.run(action, inputs)
        same(done.returncode, 0, done.stdout)
        same([server.ended_by().name for server in servers[:2]], ["SIGTERM"] * 2, "how the servers ended")
        # Who is elsewhere stays, and the step fails.
        done = Runner(work / "runner2", "Linux-X64").run(action, {"ports": str(ports[2].number), "in": str(mine), "from": address})
        same(done.returncode, 1, done.stdout)
        same(servers[2].is_alive, True, "the server in another folder lives")
        # A step that follows has the command.
        has(run("kill_port", "--version", env={"PATH": machine.environment()["PATH"]}), "kill_port", "a later step")
    finally:
        for server in servers:
            server.end()
        for port in ports:
            port.give_back()


def refuses(action, archives, address, work):
    say("the action refuses a wrong checksum, a version that isn't there and a machine that has no binary")
    for name, machine, inputs, reason in [
        ("wrong", "Linux-X64", {"sha256": "0" * 64}, "and should be 0000"),
        ("missing", "Linux-X64", {"version": "99.0.0"}, "could not be fetched"),
        ("other", "Linux-RISCV64", {}, "no binary is built for Linux on RISCV64"),
    ]:
        one = Runner(work / name, machine)
        done = one.run(action, {"from": address, "ports": "1"} | inputs)
        same(done.returncode, 1, done.stdout)
        has(done.stdout, "::error", "the error")
        has(done.stdout, reason, "the error")
        same(one.path, [], "nothing comes into PATH")


class Runner:
    """What a composite action needs of GitHub's runner."""

    def __init__(self, folder, machine):
        self.folder, self.path = folder, []
        (folder / "temp").mkdir(parents=True)
        self.os, self.arch = machine.split("-")

    def environment(self):
        path = os.pathsep.join([*map(str, self.path), OWN["PATH"]])
        own = {"RUNNER_OS": self.os, "RUNNER_ARCH": self.arch, "RUNNER_TEMP": f"{self.folder}/temp", "HOME": str(self.folder)}
        return {key: value for key, value in OWN.items() if "proxy" not in key.lower()} | own | {"PATH": path}

    def run(self, action, given):
        """How the last step ended."""
        same(action["runs"]["using"], "composite", "the kind of action")
        unknown = set(given) - set(action["inputs"])
        same(unknown, set(), "inputs that the action doesn't have")
        inputs = {name: given.get(name, one.get("default", "")) for name, one in action["inputs"].items()}

        def put(text):
            known = {f"inputs.{name}": value for name, value in inputs.items()} | {"github.action_path": str(ROOT)}
            return re.sub(r"\$\{\{ ([a-z0-9_.]+) \}\}", lambda found: known[found[1]], text)

        for step in action["runs"]["steps"]:
            if "if" in step:
                condition = re.fullmatch(r"inputs\.([a-z0-9]+) != ''", step["if"])
                if not condition:
                    fail(f"this runner doesn't understand {step['if']}")
                if inputs[condition[1]] == "":
                    continue
            script, added = self.folder / "step.sh", self.folder / "path"
            script.write_text(put(step["run"]))
            added.write_text("")
            own = {name: put(value) for name, value in step.get("env", {}).items()}
            same(step["shell"], "bash", "the shell of a step")
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
                env=self.environment() | {"GITHUB_PATH": str(added)} | own,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
            )
            self.path = [pathlib.Path(line) for line in added.read_text().splitlines()] + self.path
            if done.returncode:
                break
        return done


@contextlib.contextmanager
def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
