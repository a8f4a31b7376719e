import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import unittest
from datetime import timedelta

import kill_port
from kill_port import list_ports, why

from case import Case
from server import is_free

# What is no option of a function, and why: another function, or the form of an answer that is JSON here.
OF_THE_COMMAND_ALONE = {
    "--list", "--why", "--json", "--interactive", "--fail-if-free", "--quiet", "--verbose", "--color", "--completions", "--man",
    "--help", "--version",
}  # fmt: skip


class KillPort(Case):
    def test_a_server_is_ended_and_its_port_free(self):
        port = self.port()
        server = self.server(port)
        (answer,) = kill_port.kill_port(port).ports
        self.assertTrue(is_free(port))
        self.assertEqual(server.ended_by(), signal.SIGTERM)
        self.assertEqual((answer.port, answer.outcome), (port, "freed"))
        (holder,) = answer.holders
        self.assertEqual((holder.pid, holder.outcome, holder.signals), (server.pid, "exited", ("TERM",)))
        self.assertEqual(holder.sockets[0].address, "127.0.0.1")

    def test_a_port_that_nobody_holds_is_free_already(self):
        (answer,) = kill_port.kill_port(self.port()).ports
        self.assertEqual((answer.outcome, answer.holders), ("already_free", ()))

    def test_ports_are_what_the_command_takes_for_one(self):
        one, two, three = self.port(), self.port(), self.port()
        servers = [self.server(one), self.server(two), self.server(three, udp=True)]
        report = kill_port.kill_port(one, f"http://localhost:{two}/path", f"{three}/udp")
        self.assertEqual([port.outcome for port in report.ports], ["freed"] * 3)
        self.assertEqual(report.ports[2].protocol, "udp")
        for server in servers:
            server.ended_by()

    def test_the_grace_is_in_seconds_or_a_timedelta(self):
        for grace in (0.05, timedelta(milliseconds=50), 0):
            port = self.port()
            server = self.server(port, stubborn=True)
            (answer,) = kill_port.kill_port(port, grace=grace).ports
            self.assertEqual(server.ended_by(), signal.SIGKILL)
            self.assertEqual(answer.holders[0].signals[-1], "KILL")

    def test_the_first_signal_can_be_chosen(self):
        for first in ("int", signal.SIGINT, int(signal.SIGINT)):
            port = self.port()
            server = self.server(port)
            kill_port.kill_port(port, signal=first)
            self.assertEqual(server.ended_by(), signal.SIGINT)
        port = self.port()
        server = self.server(port)
        kill_port.kill_port(port, force=True)
        self.assertEqual(server.ended_by(), signal.SIGKILL)

    def test_no_escalate_leaves_a_server_that_does_not_end(self):
        port = self.port()
        server = self.server(port, stubborn=True)
        error = self.refused(port, no_escalate=True, grace=0.05)
        self.assertEqual(error.report.ports[0].outcome, "still_held")
        self.assertTrue(server.is_alive)

    def test_one_protocol_alone_is_freed(self):
        port = self.port()
        tcp, udp = self.server(port), self.server(port, udp=True)
        kill_port.kill_port(port, udp=True)
        udp.ended_by()
        self.assertTrue(tcp.is_alive)
        kill_port.kill_port(port, tcp=True)
        tcp.ended_by()

    def test_the_tree_is_ended_as_well(self):
        port = self.port()
        server = self.server(port, child=True)
        (answer,) = kill_port.kill_port(port, tree=True).ports
        self.assertEqual({holder.pid for holder in answer.holders}, {server.pid, server.child})

    def test_who_works_in_another_folder_is_spared_and_named(self):
        port, here, elsewhere = self.port(), self.folder(), self.folder()
        server = self.server(port, cwd=elsewhere)
        for within in (here, str(here)):
            error = self.refused(port, within=within)
            self.assertIn(str(elsewhere), str(error))
            (answer,) = error.report.ports
            self.assertEqual(answer.holders[0].reason, "outside")
            self.assertEqual([obstacle.kind for obstacle in answer.errors], ["spared"])
        self.assertTrue(server.is_alive)
        kill_port.kill_port(port, within=elsewhere)
        server.ended_by()

    def test_this_process_is_spared_and_can_be_included(self):
        port = self.port()
        with socket.create_server(("127.0.0.1", port)):
            error = self.refused(port)
            (holder,) = error.report.ports[0].holders
            self.assertEqual((holder.pid, holder.reason), (os.getpid(), "ancestor"))
            for include in ("ancestors", ["editors", "ancestors"]):
                (answer,) = kill_port.kill_port(port, include=include, dry_run=True).ports
                self.assertEqual(answer.holders[0].outcome, "would_signal")

    def test_a_dry_run_signals_nobody(self):
        port = self.port()
        server = self.server(port)
        (answer,) = kill_port.kill_port(port, dry_run=True).ports
        self.assertEqual((answer.outcome, answer.holders[0].signals), ("would_free", ("TERM",)))
        self.assertTrue(server.is_alive)

    def test_none_is_the_same_as_no_option(self):
        options = ("grace", "signal", "settle", "within", "include", "containers")
        (answer,) = kill_port.kill_port(self.port(), **dict.fromkeys(options)).ports
        self.assertEqual(answer.outcome, "already_free")

    def test_every_option_of_the_command_is_one_here_and_is_understood(self):
        of_command = subprocess.run([kill_port.find_binary(), "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
        named = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", of_command, re.MULTILINE)) - OF_THE_COMMAND_ALONE
        here = {"--in" if name == "within" else f"--{name.replace('_', '-')}" for name in kill_port.Options.__annotations__}
        self.assertEqual(named, here)
        together = {
            "grace": 1, "signal": "TERM", "no_escalate": True, "settle": 0.1, "tcp": True, "tree": True, "supervisor": True,
            "within": ".", "include": "forwarders", "connections": True, "containers": "never", "dry_run": True,
        }  # fmt: skip
        kill_port.kill_port(self.port(), **together)
        kill_port.kill_port(self.port(), force=True, udp=True)
        self.assertEqual({*together, "force", "udp"}, set(kill_port.Options.__annotations__))

    def test_nonsense_is_a_value_error_that_says_what_is_meant(self):
        with self.assertRaisesRegex(ValueError, "^'70000' is not a port: a port is a number from 1 to 65535"):
            kill_port.kill_port(70000)
        for ports, options in (
            ((), {}),
            ((-1,), {}),
            (("--list",), {}),
            ((8000,), {"force": True, "grace": 1}),
            ((8000,), {"grace": -1}),
            ((8000,), {"signal": "STOP"}),
            ((8000,), {"include": ["nobody"]}),
            ((8000,), {"within": "/there/is/none"}),
        ):
            with self.subTest(ports=ports, **options), self.assertRaises(ValueError):
                kill_port.kill_port(*ports, **options)
        with self.assertRaises(TypeError):
            kill_port.kill_port(8000, graze=1)

    def test_a_duration_in_words_is_named_in_the_error(self):
        with self.assertRaisesRegex(ValueError, "'soon'"):
            kill_port.kill_port(8000, grace="soon")

    def test_a_folder_may_be_bytes_as_everywhere_in_os(self):
        (answer,) = kill_port.kill_port(self.port(), within=os.getcwdb()).ports
        self.assertEqual(answer.outcome, "already_free")

    def test_a_port_is_freed_when_the_interpreter_ends(self):
        port = self.port()
        server = self.server(port)
        program = "import atexit, kill_port, sys\natexit.register(kill_port.kill_port, int(sys.argv[1]))\n"
        caller = subprocess.run([sys.executable, "-c", program, str(port)], stderr=subprocess.PIPE, text=True)
        self.assertEqual(caller.stderr, "")
        self.assertFalse(server.is_alive and not is_free(port))

    def test_the_error_survives_being_sent_to_another_process(self):
        port = self.port()
        with socket.create_server(("127.0.0.1", port)):
            error = self.refused(port)
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((again.report, str(again)), (error.report, str(error)))

    def test_ctrl_c_leaves_no_command_behind(self):
        port = self.port()
        server = self.server(port, stubborn=True)
        program = (
            "import kill_port, sys\n"
            "kill_port._command.PATIENCE = 600\n"
            "try: kill_port.kill_port(int(sys.argv[1]), grace=600)\n"
            "except KeyboardInterrupt: print(open(f'/proc/self/task/{__import__(\"os\").getpid()}/children').read().strip() or 'none')\n"
        )
        caller = self.caller(program, port, stdout=subprocess.PIPE)
        self.assertEqual(server.line(), "SIGTERM")
        caller.send_signal(signal.SIGINT)
        self.assertEqual(caller.communicate(timeout=60)[0], "none\n")
        self.assertTrue(server.is_alive)

    def test_ctrl_c_while_the_command_is_being_started_leaves_no_command_behind(self):
        for call in ("kill_port.kill_port(port, grace=600)", "asyncio.run(kill_port.akill_port(port, grace=600))"):
            port = self.port()
            server = self.server(port, stubborn=True)
            program = (
                "import asyncio, kill_port, os, signal, subprocess, sys, threading\n"
                "Popen = subprocess.Popen\n"
                "def interrupted(*arguments, **options):\n"
                "    process = Popen(*arguments, **options)\n"
                "    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)\n"
                "    return process\n"
                "subprocess.Popen = interrupted\n"
                "port = int(sys.argv[1])\n"
                f"try: {call}\n"
                "except KeyboardInterrupt: print('interrupted')\n"
                # Where nobody waits for it, it ends soon.
                "os.waitpid(-1, 0) if open(f'/proc/self/task/{os.getpid()}/children').read().strip() else None\n"
            )
            caller = self.caller(program, port, stdout=subprocess.PIPE)
            with self.subTest(call):
                self.assertEqual(caller.communicate(timeout=60)[0], "interrupted\n")
                self.assertTrue(server.is_alive)


class Looking(Case):
    def test_a_list_names_who_listens(self):
        port, other = self.port(), self.port()
        server = self.server(port)
        for report in (list_ports(), list_ports(port, other), list_ports(port, tcp=True, containers="never")):
            found = {each.port: [holder.pid for holder in each.holders] for each in report.ports}
            self.assertEqual(found[port], [server.pid])
        self.assertEqual(list_ports(port, udp=True).ports[0].holders, ())
        self.assertTrue(server.is_alive)

    def test_why_tells_where_a_holder_came_from(self):
        port = self.port()
        server = self.server(port)
        (answer,) = why(port, tcp=True, within="/", containers="never").ports
        self.assertEqual(answer.outcome, "held")
        self.assertFalse(answer.why.can_be_bound)
        self.assertTrue(answer.why.would_be_freed)
        (provenance,) = answer.why.provenance
        self.assertEqual((provenance.pid, provenance.ancestry[0].pid), (server.pid, os.getpid()))
        self.assertTrue(server.is_alive)

    def test_why_asks_for_a_port(self):
        with self.assertRaises(ValueError):
            why()


if __name__ == "__main__":
    unittest.main()
