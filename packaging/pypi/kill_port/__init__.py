"""Frees a network port: ends every process that holds it, politely first, and never the wrong one.

    from kill_port import kill_port

    kill_port(8000)

It runs the command ``kill_port``, which is in this package. What all functions have in common:

- A port is a number, or what the command takes for one: ``"3000-3010"``, ``"53/udp"``, ``"127.0.0.1:8080"``, a URL.
- They return a `Report`, or raise a `KillPortError`, which has it as ``report``.
- What makes no sense, such as port 70000 or options that contradict each other, is a ``ValueError``; nobody was signalled then.
- A command that is missing is a ``FileNotFoundError``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Optional, Union

from kill_port._binary import find_binary
from kill_port._command import KillPortError, run, run_async
from kill_port._options import Duration, Options, Target, When, Who, arguments
from kill_port._types import (
    Bind,
    Cause,
    Connections,
    Container,
    HiddenSocket,
    Holder,
    Obstacle,
    Origin,
    Parent,
    Port,
    Provenance,
    PublishedPort,
    Report,
    Socket,
    Supervisor,
    Why,
)

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Bind",
    "Cause",
    "Connections",
    "Container",
    "Duration",
    "HiddenSocket",
    "Holder",
    "KillPortError",
    "Obstacle",
    "Options",
    "Origin",
    "Parent",
    "Port",
    "Provenance",
    "PublishedPort",
    "Report",
    "Socket",
    "Supervisor",
    "Target",
    "When",
    "Who",
    "Why",
    "akill_port",
    "find_binary",
    "kill_port",
    "list_ports",
    "why",
]


def kill_port(*ports: Target, **options: Unpack[Options]) -> Report:
    """Ends every process that holds one of the ports, and returns when all are free. A port that nobody holds is free already.

    The options are the command's; `Options` says what each does:
    ``grace``, ``signal``, ``force``, ``no_escalate``, ``settle``, ``tcp``, ``udp``, ``tree``, ``supervisor``, ``within``,
    ``include``, ``connections``, ``containers``, ``dry_run``.

    This process and those above it are spared, also where they hold the port.
    """
    return run(arguments(ports, **options))


async def akill_port(*ports: Target, **options: Unpack[Options]) -> Report:
    """As `kill_port`, in asyncio. If the task is cancelled, nobody is signalled any more when ``CancelledError`` comes out of it: the
    command is interrupted and waited for. Who was signalled before may still end."""
    return await run_async(arguments(ports, **options))


def list_ports(*ports: Target, tcp: bool = False, udp: bool = False, containers: Optional[When] = None) -> Report:
    """Who listens on these ports, or on all if none is named. Nobody is signalled."""
    return run(arguments(ports, "--list", tcp=tcp, udp=udp, containers=containers))


def why(
    *ports: Target,
    tcp: bool = False,
    udp: bool = False,
    within: Union[str, os.PathLike[str], None] = None,
    containers: Optional[When] = None,
) -> Report:
    """Everything about who holds the ports and where it came from, why a port that nobody holds can't be bound, and what to do: each
    port of the report has its ``why``. Nobody is signalled."""
    return run(arguments(ports, "--why", tcp=tcp, udp=udp, within=within, containers=containers))
