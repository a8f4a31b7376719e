import importlib.util
import subprocess
import sys
import unittest

from case import Case


@unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
class Plugin(Case):
    def pytest(self, test, *options, conftest=""):
        folder = self.folder()
        (folder / "conftest.py").write_text(conftest)
        (folder / "test_it.py").write_text(test)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=folder)
        return output.returncode, output.stdout

    def test_the_fixture_frees_a_port_and_is_its_number(self):
        for options, conftest in (([], "pytest_plugins = ['kill_port.pytest']"), (["-p", "kill_port.pytest"], "")):
            port = self.port()
            server = self.server(port)
            test = f"def test_it(killed_port):\n    assert killed_port({port}, grace=5) == {port}\n"
            code, told = self.pytest(test, *options, conftest=conftest)
            self.assertEqual(code, 0, told)
            server.ended_by()

    def test_a_fixture_of_a_session_may_use_it(self):
        test = (
            "import pytest\n"
            "@pytest.fixture(scope='session')\n"
            f"def port(killed_port): return killed_port({self.port()})\n"
            "def test_it(port): pass\n"
        )
        code, told = self.pytest(test, "-p", "kill_port.pytest")
        self.assertEqual(code, 0, told)

    def test_a_port_that_cannot_be_freed_fails_the_test_with_the_reason(self):
        port, elsewhere = self.port(), self.folder()
        server = self.server(port, cwd=elsewhere)
        test = f"def test_it(killed_port, tmp_path):\n    killed_port({port}, within=tmp_path)\n"
        code, told = self.pytest(test, "-p", "kill_port.pytest")
        self.assertEqual(code, 1, told)
        self.assertIn(str(elsewhere), told)
        self.assertTrue(server.is_alive)

    def test_nothing_loads_it_unasked(self):
        code, told = self.pytest("def test_it(killed_port): pass\n")
        self.assertEqual(code, 1, told)
        self.assertIn("fixture 'killed_port' not found", told)


if __name__ == "__main__":
    unittest.main()
