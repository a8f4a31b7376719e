"""What may be asked for, and how it is said to the command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal, Optional, TypedDict, Union

Target = Union[int, str]
"""A port, or what the command takes for one: ``"3000-3010"``, ``"53/udp"``, ``"127.0.0.1:8080"``, a URL."""

Duration = Union[float, timedelta]
"""In seconds, if it is a number."""

Who = Literal["ancestors", "editors", "forwarders"]

When = Literal["auto", "never", "only"]


class Options(TypedDict, total=False):
    """The options of `kill_port`. ``None`` is the same as leaving one out."""

    grace: Optional[Duration]
    """How long before SIGKILL; ten seconds if it is left out."""

    signal: Union[int, str, None]
    """The first signal: ``"INT"``, ``signal.SIGINT``. SIGTERM if it is left out."""

    force: bool
    """SIGKILL at once."""

    no_escalate: bool
    """Never SIGKILL."""

    settle: Optional[Duration]
    """How long a port has to stay free where a supervisor may be at work."""

    tcp: bool
    """TCP only."""

    udp: bool
    """UDP only."""

    tree: bool
    """Also end all descendants of the holders."""

    supervisor: bool
    """Also end a parent that starts them again."""

    within: Union[str, os.PathLike[str], None]
    """``--in``: end only who works in this folder or below."""

    include: Union[Who, Iterable[Who], None]
    """Also end those who are spared otherwise, such as ``"ancestors"``: those above this process, and itself."""

    connections: bool
    """Also end clients whose local port it is."""

    containers: Optional[When]
    """Whether a container that publishes the port is stopped."""

    dry_run: bool
    """Say who would be signalled, and signal nobody."""


def arguments(
    ports: Sequence[Target],
    *flags: str,
    grace: Optional[Duration] = None,
    signal: Union[int, str, None] = None,
    force: bool = False,
    no_escalate: bool = False,
    settle: Optional[Duration] = None,
    tcp: bool = False,
    udp: bool = False,
    tree: bool = False,
    supervisor: bool = False,
    within: Union[str, os.PathLike[str], None] = None,
    include: Union[Who, Iterable[Who], None] = None,
    connections: bool = False,
    containers: Optional[When] = None,
    dry_run: bool = False,
) -> list[str]:
    """The command line. What is wrong in it is for the command to say."""
    switches = {
        "--force": force,
        "--no-escalate": no_escalate,
        "--tcp": tcp,
        "--udp": udp,
        "--tree": tree,
        "--supervisor": supervisor,
        "--connections": connections,
        "--dry-run": dry_run,
    }
    values = {
        "--grace": None if grace is None else _seconds(grace),
        "--signal": signal if signal is None or isinstance(signal, str) else str(int(signal)),
        "--settle": None if settle is None else _seconds(settle),
        "--in": None if within is None else os.fsdecode(within),
        "--include": include if include is None or isinstance(include, str) else ",".join(include) or None,
        "--containers": containers,
    }
    return [
        *flags,
        *(name for name, is_on in switches.items() if is_on),
        *(f"{name}={value}" for name, value in values.items() if value is not None),
        "--",
        *map(str, ports),
    ]


def _seconds(duration: Duration) -> str:
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    return f"{float(seconds):.6f}"
