import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import kill_port

from server import Port, Server

ROOT = Path(__file__).resolve().parents[3]


class Case(unittest.TestCase):
    maxDiff = None

    def port(self):
        port = Port()
        self.addCleanup(port.give_back)
        return port.number

    def server(self, port, **options):
        server = Server(port, **options)
        self.addCleanup(server.end)
        return server

    def caller(self, program, port, **options):
        """Another Python that runs this, with the port as its argument."""
        caller = subprocess.Popen([sys.executable, "-c", program, str(port)], text=True, **options)
        self.addCleanup(caller.kill)
        return caller

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name).resolve()

    def refused(self, *ports, **options):
        """The error of a port that can't be freed."""
        with self.assertRaises(kill_port.KillPortError) as caught:
            kill_port.kill_port(*ports, **options)
        return caught.exception
