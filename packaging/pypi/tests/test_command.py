import os
import signal
import subprocess
import sys
import sysconfig
import unittest
from importlib.metadata import entry_points, version
from pathlib import Path

import kill_port

from case import Case

# A version of Rust's may be written otherwise in Python.
VERSION = os.environ.get("KILL_PORT_TEST_VERSION")
DISTRIBUTION = os.environ.get("KILL_PORT_TEST_DISTRIBUTION", "kill-port-cli")


def started(*command, **more):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


class Command(Case):
    def ways(self):
        scripts = Path(sysconfig.get_path("scripts"))
        return [[sys.executable, "-m", "kill_port"], [str(scripts / "kill_port")], [str(scripts / DISTRIBUTION)]]

    def test_every_way_leads_to_the_command_of_this_version(self):
        for way in self.ways():
            told = started(*way, "--version").communicate()[0]
            self.assertEqual(told, f"kill_port {VERSION or version(DISTRIBUTION)}\n")

    def test_every_way_frees_a_port(self):
        for way in self.ways():
            port = self.port()
            server = self.server(port)
            command = started(*way, str(port))
            command.communicate()
            self.assertEqual(command.returncode, 0)
            server.ended_by()

    def test_the_process_becomes_the_command(self):
        for way in self.ways():
            port = self.port()
            server = self.server(port, stubborn=True)
            command = started(*way, "--grace=600", str(port))
            self.assertEqual(server.line(), "SIGTERM")
            self.assertEqual(os.path.realpath(f"/proc/{command.pid}/exe"), os.path.realpath(kill_port.find_binary()))
            # Ctrl-C is heeded by the command once it has waited for a while; before that it just ends.
            command.send_signal(signal.SIGINT)
            command.communicate()
            self.assertIn(command.returncode, (130, -signal.SIGINT))
            self.assertTrue(server.is_alive)

    def test_the_binary_lies_among_the_scripts_of_this_environment(self):
        self.assertEqual(Path(kill_port.find_binary()).parent, Path(sysconfig.get_path("scripts")).resolve())

    def test_the_variable_names_another_binary(self):
        other = self.folder() / "other"
        other.write_text("#!/bin/sh\necho 'what it said' >&2\nexit 9\n")
        other.chmod(0o755)
        environment = {**os.environ, "KILL_PORT_BINARY": str(other)}
        command = started(sys.executable, "-m", "kill_port", env=environment)
        self.assertEqual((command.communicate()[1], command.returncode), ("what it said\n", 9))
        program = "import kill_port; kill_port.kill_port(8000)"
        told = started(sys.executable, "-c", program, env=environment).communicate()[1]
        self.assertIn("RuntimeError: kill_port ended with 9 and without an answer: what it said", told)
        other.unlink()
        told = started(sys.executable, "-c", program, env=environment).communicate()[1]
        self.assertIn(f"FileNotFoundError: KILL_PORT_BINARY is {other}, and there is no such file", told)
        told = started(sys.executable, "-m", "kill_port", env=environment).communicate()[1]
        self.assertEqual(told, f"error: KILL_PORT_BINARY is {other}, and there is no such file\n")

    def test_no_plugin_is_loaded_unasked(self):
        found = entry_points()
        plugins = found.select(group="pytest11") if hasattr(found, "select") else found.get("pytest11", [])
        self.assertEqual([plugin for plugin in plugins if plugin.value.startswith("kill_port")], [])


if __name__ == "__main__":
    unittest.main()
