"""What a strict type checker makes of the package. Each `type: ignore` is an error that it has to find: both checkers refuse one that
is not needed."""

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from kill_port import (
    Holder,
    KillPortError,
    Obstacle,
    Options,
    Port,
    Report,
    Why,
    akill_port,
    find_binary,
    kill_port,
    list_ports,
    why,
)
from kill_port.pytest import KilledPort


def ports() -> tuple[Port, ...]:
    kill_port(8000, grace=3, signal=signal.SIGINT, within=Path("."), include="editors")
    kill_port("3000-3010", grace=timedelta(seconds=1.5), signal="INT", within="..", include=["editors", "ancestors"])
    kill_port(8000, grace=None, containers="never", supervisor=True)
    options: Options = {"tree": True, "settle": 0.1}
    report: Report = kill_port(8000, 8001, **options)
    kill_port(8000.5)  # type: ignore[arg-type]
    kill_port(8000, graze=3)  # type: ignore[call-arg]
    kill_port(8000, grace="3s")  # type: ignore[arg-type]
    kill_port(8000, include="everybody")  # type: ignore[arg-type]
    kill_port(8000, containers="sometimes")  # type: ignore[arg-type]
    list_ports(tree=True)  # type: ignore[call-arg]
    why(8000, tree=True)  # type: ignore[call-arg]
    return report.ports + list_ports().ports + why(8000, tcp=True).ports


def words(port: Port, holder: Holder) -> list[str]:
    if port.outcome == "fred":  # type: ignore[comparison-overlap]
        return []
    port.outcome = "freed"  # type: ignore[misc]
    return [port.outcome, holder.reason or "", *holder.signals, *port.notes, find_binary()]


def obstacles(error: KillPortError) -> tuple[Obstacle, ...]:
    return error.report.errors


def causes(port: Port) -> list[str]:
    print(port.why.causes)  # type: ignore[union-attr]
    explained: Why | None = port.why
    return [cause.help for cause in explained.causes] if explained else []


async def freed() -> Report:
    await akill_port(8000, graze=3)  # type: ignore[call-arg]
    return await akill_port(8000, grace=3)


@pytest.fixture
def port(killed_port: KilledPort) -> int:
    killed_port(8000, graze=3)  # type: ignore[call-arg]
    return killed_port(8000, grace=3)
