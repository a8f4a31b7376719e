"""Where the command is that came with this package."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "KILL_PORT_BINARY"


def find_binary() -> str:
    """The path of the command: what the environment variable ``KILL_PORT_BINARY`` names, else what was installed with this package.

    Raises ``FileNotFoundError`` where it is missing.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not os.path.isfile(named):
            raise FileNotFoundError(f"{VARIABLE} is {named}, and there is no such file")
        return os.path.abspath(named)
    name = "kill_port.exe" if sys.platform == "win32" else "kill_port"
    folders = _folders()
    for folder in folders:
        if (folder / name).is_file():
            return str(folder / name)
    looked = ", ".join(map(str, folders))
    raise FileNotFoundError(f"{name} is in none of {looked}: install this package again, or let {VARIABLE} name it")


def _folders() -> list[Path]:
    """Those that an installer may have put it into, the nearest to this package first: it has the same version."""
    packages = Path(__file__).resolve().parent.parent
    return list(dict.fromkeys([*_beside(packages), *_of_schemes()]))


def _beside(packages: Path) -> Iterator[Path]:
    # pip install --target
    yield packages / "bin"
    if sys.platform == "win32":
        # PREFIX\Lib\site-packages, and of a user Python311\site-packages
        for prefix in list(packages.parents)[:2]:
            yield prefix / "Scripts"
    else:
        # PREFIX/lib/python3.11/site-packages: any environment, a prefix, the user's own
        for prefix in list(packages.parents)[2:3]:
            yield prefix / "bin"


def _of_schemes() -> Iterator[Path]:
    user = sysconfig.get_preferred_scheme("user") if sys.version_info >= (3, 10) else f"{os.name}_user"
    yield Path(sysconfig.get_path("scripts"))
    # That of the interpreter from which an environment was made
    yield Path(sysconfig.get_path("scripts", vars={"base": sys.base_prefix}))
    yield Path(sysconfig.get_path("scripts", scheme=user))
