"""Servers on ports that belong to one test."""

import contextlib
import errno
import json
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

SERVER = """
import json, os, signal, socket, subprocess, sys
port, options = int(sys.argv[1]), json.loads(sys.argv[2])
def say(text):
    # Not print: a signal may come before that is done with the line before, and it takes no second call then.
    os.write(1, f"{text}\\n".encode())
def hear(number, _frame):
    say(signal.Signals(number).name)
if options["stubborn"]:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hear)
else:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
if options["child"]:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    say(child.pid)
kind = socket.SOCK_DGRAM if options["udp"] else socket.SOCK_STREAM
server = socket.socket(socket.AF_INET, kind)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", port))
if kind == socket.SOCK_STREAM:
    server.listen()
say("ready")
# To the end of who has started it, whatever comes of that one.
sys.stdin.read()
"""


class Port:
    """A port below those that the kernel gives to clients. On Linux, other tests know by the name of an abstract socket that it is taken."""

    def __init__(self):
        last = 32_768
        with contextlib.suppress(OSError):
            last = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        linux = sys.platform == "linux"
        while True:
            self.number = random.randrange(10_000, last)
            self._claim = socket.socket(socket.AF_UNIX if linux else socket.AF_INET, socket.SOCK_DGRAM)
            try:
                if linux:
                    self._claim.bind(f"\0kill_port-test-{self.number}")
                if is_free(self.number) and is_free(self.number, socket.SOCK_DGRAM):
                    return
            except OSError:
                pass
            self._claim.close()

    def give_back(self):
        self._claim.close()


def is_free(port, kind=socket.SOCK_STREAM):
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, kind) as probe:
                if kind == socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    probe.listen()
        except OSError as error:
            # A machine may do without IPv6.
            if family == socket.AF_INET or error.errno == errno.EADDRINUSE:
                return False
    return True


class Server:
    """A process that holds a port until it is told to end, in `cwd`."""

    def __init__(self, port, *, stubborn=False, child=False, udp=False, cwd=None):
        options = json.dumps({"stubborn": stubborn, "child": child, "udp": udp})
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port), options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd
        )
        self.child = int(self.line()) if child else None
        assert self.line() == "ready"
        self.pid = self.process.pid

    def line(self):
        """The next that it says."""
        return self.process.stdout.readline().strip()

    @property
    def is_alive(self):
        return self.process.poll() is None

    def ended_by(self):
        """The signal. Waits."""
        return signal.Signals(-self.process.wait())

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()
