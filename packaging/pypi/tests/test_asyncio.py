import asyncio
import os
import signal
import subprocess
import unittest
from pathlib import Path

import kill_port
from kill_port import KillPortError, akill_port

from case import Case


def commands():
    """The commands that this process has started and not waited for."""
    children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    found = []
    for pid in sum(children, []):
        try:
            if Path(f"/proc/{pid}/comm").read_text() == "kill_port\n":
                found.append(int(pid))
        except OSError:
            continue
    return found


class Asyncio(Case):
    def test_a_server_is_ended_while_others_go_on(self):
        ports = [self.port(), self.port()]
        servers = [self.server(port) for port in ports]

        async def both():
            return await asyncio.gather(*map(akill_port, ports))

        outcomes = [report.ports[0].outcome for report in asyncio.run(both())]
        self.assertEqual(outcomes, ["freed", "freed"])
        for server in servers:
            server.ended_by()

    def test_errors_are_those_of_the_other_function(self):
        port = self.port()
        self.server(port, cwd=self.folder())
        with self.assertRaises(KillPortError) as caught:
            asyncio.run(akill_port(port, within=self.folder()))
        self.assertEqual(caught.exception.report.ports[0].outcome, "still_held")
        with self.assertRaises(ValueError):
            asyncio.run(akill_port(70000))

    def cancelled(self, cancel):
        """Cancels while a server is waited for that doesn't end."""
        port = self.port()
        server = self.server(port, stubborn=True)

        async def main():
            task = asyncio.ensure_future(akill_port(port, grace=600))
            heard = await asyncio.get_running_loop().run_in_executor(None, server.line)
            self.assertEqual(heard, "SIGTERM")
            self.assertEqual(len(commands()), 1)
            await cancel(task)
            self.assertTrue(task.cancelled())
            self.assertEqual(commands(), [])

        asyncio.run(main())
        self.assertTrue(server.is_alive)

    def test_a_task_that_is_cancelled_waits_for_the_command_to_end(self):
        async def cancel(task):
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        self.cancelled(cancel)

    def test_it_waits_also_if_it_is_cancelled_again(self):
        async def cancel(task):
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([task])

        self.cancelled(cancel)

    def test_a_time_limit_is_kept(self):
        async def cancel(task):
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(task, 0.01)

        self.cancelled(cancel)

    def test_a_task_that_is_cancelled_at_once_leaves_no_command(self):
        port = self.port()
        self.server(port, stubborn=True)

        async def main():
            task = asyncio.ensure_future(akill_port(port, grace=0))
            # Once, so that the command is started.
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            self.assertEqual(commands(), [])

        asyncio.run(main())

    def test_the_command_is_interrupted_where_sigint_is_ignored(self):
        port = self.port()
        server = self.server(port, stubborn=True)
        program = (
            "import asyncio, kill_port, sys\n"
            "async def main():\n"
            "    task = asyncio.ensure_future(kill_port.akill_port(int(sys.argv[1]), grace=600))\n"
            "    await asyncio.get_running_loop().run_in_executor(None, input)\n"
            "    task.cancel()\n"
            "    await asyncio.wait([task])\n"
            "kill_port._command.PATIENCE = 600\n"
            "asyncio.run(main())\n"
        )
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            caller = self.caller(program, port, stdin=subprocess.PIPE)
        finally:
            signal.signal(signal.SIGINT, before)
        self.assertEqual(server.line(), "SIGTERM")
        caller.communicate("now\n", timeout=60)
        self.assertEqual(caller.returncode, 0)
        self.assertTrue(server.is_alive)

    def test_a_command_that_does_not_end_is_killed(self):
        stuck = self.folder() / "kill_port"
        ready = self.folder() / "ready"
        os.mkfifo(ready)
        stuck.write_text(f"#!/bin/sh\ntrap '' INT TERM\necho >{ready}\nfor _ in $(seq 60); do sleep 1; done\n")
        stuck.chmod(0o755)
        patience = kill_port._command.PATIENCE
        os.environ["KILL_PORT_BINARY"] = str(stuck)
        kill_port._command.PATIENCE = 0.05

        async def main():
            task = asyncio.ensure_future(akill_port(8000))
            await asyncio.get_running_loop().run_in_executor(None, ready.read_text)
            task.cancel()
            await asyncio.wait([task])
            self.assertTrue(task.cancelled())

        try:
            asyncio.run(main())
        finally:
            del os.environ["KILL_PORT_BINARY"]
            kill_port._command.PATIENCE = patience


if __name__ == "__main__":
    unittest.main()
