"""examples/ansible, over local connections: a host whose port is freed, one where it is free, and three that can't."""

import json
import shutil
import sys

from common import NATIVE, ROOT, Port, Server, has, run, same, say, unpacked

EXAMPLE = ROOT / "examples" / "ansible"


def test(archives, work, playbook):
    say("Ansible: five hosts, three of which can't free their port")
    folder = work / "fleet"
    (folder / "deployment").mkdir(parents=True)
    (folder / "somebody").mkdir()
    command = unpacked(archives, NATIVE, folder) / "kill_port"
    ports = {name: Port() for name in ["busy", "free", "foreign", "bare", "away"]}
    servers = {"busy": Server(ports["busy"].number, cwd=folder / "deployment"), "foreign": Server(ports["foreign"].number, cwd=folder / "somebody")}
    lines = [f"{name} service_port={port.number}" for name, port in ports.items()]
    lines[-2] += " kill_port=/nowhere/kill_port"
    # Nothing listens there, if there is a client for it at all.
    lines[-1] += " ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1"
    lines += ["[all:vars]", "ansible_connection=local", f"ansible_python_interpreter={sys.executable}", f"service_folder={folder}/deployment"]
    lines += [f"kill_port={command}"]
    (folder / "inventory.ini").write_text("\n".join(lines) + "\n")
    own = {"HOME": str(folder), "ANSIBLE_LOCAL_TEMP": f"{folder}/tmp", "ANSIBLE_REMOTE_TEMP": f"{folder}/tmp", "ANSIBLE_NOCOLOR": "1"}
    play = [playbook, "--inventory", folder / "inventory.ini", EXAMPLE / "free-port.yml", "--extra-vars", f"report={folder}/report.json"]
    try:
        run(playbook, "--syntax-check", "--inventory", EXAMPLE / "inventory.ini", EXAMPLE / "free-port.yml", env=own)

        said = run(*play, "--check", code=2, env=own, cwd=folder)
        same([server.is_alive for server in servers.values()], [True, True], "a dry run ends nobody")
        same(outcomes(folder), {"busy": "would_free", "free": "already_free", "foreign": "would_fail", "bare": None, "away": None}, said)

        said = run(*play, code=2, env=own, cwd=folder)
        same(servers["busy"].ended_by().name, "SIGTERM", "how the server of the deployment ended")
        same(servers["foreign"].is_alive, True, "the server in another folder lives")
        same(outcomes(folder), {"busy": "freed", "free": "already_free", "foreign": "still_held", "bare": None, "away": None}, said)
        report = said.split("PLAY [Report]")[1].split("PLAY RECAP")[0]
        for name in ["foreign: ", "bare: ", "away: ", "/nowhere/kill_port", str(servers["foreign"].pid)]:
            has(report, name, "who could not, and why")
        same([name for name in ["busy: ", "free: "] if name in report], [], f"who could is not named:\n{report}")
        changed = {line.split()[0]: "changed=1" in line for line in said.split("PLAY RECAP")[1].splitlines()[1:] if line.strip()}
        same(changed, {"busy": True, "free": False, "foreign": False, "bare": False, "away": False}, "where something was changed")

        failed = {line.split()[0] for line in said.split("PLAY RECAP")[1].splitlines() if "failed=1" in line}
        same(failed, {"foreign", "bare", "away"}, "who is said to have failed")

        # Also if one of them is asked alone.
        said = run(*play, "--limit", "foreign", code=2, env=own, cwd=folder)
        has(said, "foreign: ", "who could not")
        same(outcomes(folder), {"foreign": "still_held"}, said)

        # Where all that are asked can, the whole ends well.
        said = run(*play, "--limit", "busy,free", env=own, cwd=folder)
        same(said.count("The port is free."), 2, said)
        same(outcomes(folder), {"busy": "already_free", "free": "already_free"}, said)
    finally:
        for server in servers.values():
            server.end()
        for port in ports.values():
            port.give_back()
        shutil.rmtree(folder / "tmp", ignore_errors=True)


def outcomes(folder):
    answers = json.loads((folder / "report.json").read_text())
    return {name: one and one["ports"][0]["outcome"] for name, one in answers.items()}
