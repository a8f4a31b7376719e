"""A plugin that is loaded by those who name it: ``pytest_plugins = ["kill_port.pytest"]``, or ``-p kill_port.pytest``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from kill_port import kill_port

if TYPE_CHECKING:
    from kill_port import Options

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["KilledPort", "killed_port"]


class KilledPort(Protocol):
    """What the fixture `killed_port` is."""

    def __call__(self, port: int, **options: Unpack[Options]) -> int:
        """Frees the port as `kill_port.kill_port` does, with its options, and returns it."""
        ...


@pytest.fixture(scope="session")
def killed_port() -> KilledPort:
    """``killed_port(8000)`` is 8000, and free: who held it has been ended. A test whose port can't be freed fails with the reason."""

    def killed(port: int, **options: Unpack[Options]) -> int:
        kill_port(port, **options)
        return port

    return killed
