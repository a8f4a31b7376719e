"""What the command answers: the objects of its JSON, frozen. Written by packaging/pypi/types from cli/schema.json: not to be edited.

Where a field holds one of several words, a newer command may use others. ``None`` is the JSON's null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional

__all__ = [
    "Bind",
    "Cause",
    "Connections",
    "Container",
    "HiddenSocket",
    "Holder",
    "Obstacle",
    "Origin",
    "Parent",
    "Port",
    "Provenance",
    "PublishedPort",
    "Report",
    "Socket",
    "Supervisor",
    "Why",
]


@dataclass(frozen=True)
class Report:
    """What came of every port that was asked for, or who holds it."""

    schema_version: int

    ports: tuple[Port, ...]
    """The targets in the order asked; for a list, by port."""

    errors: tuple[Obstacle, ...]
    """What went wrong and belongs to none of the ports."""


@dataclass(frozen=True)
class Port:
    """One target."""

    port: int

    protocol: Optional[Literal["tcp", "udp"]]
    """null: both."""

    address: Optional[str]
    """The local address that narrows the target; null: any. A link-local one may have the index of its interface,
    as in fe80::1%2."""

    outcome: Literal[
        "freed",
        "already_free",
        "would_free",
        "would_fail",
        "would_come_back",
        "held",
        "still_held",
        "unknown",
    ]

    elapsed_ms: Optional[float]

    errors: tuple[Obstacle, ...]
    """What is in the way."""

    holders: tuple[Holder, ...]

    hidden: tuple[HiddenSocket, ...]
    """Listening sockets without a holder to be seen."""

    containers: tuple[Container, ...]
    """Containers that publish the port: stopped by their engine, or to be stopped."""

    supervisors: tuple[Supervisor, ...]
    """Who may start a holder again: in a dry run, and where the port was freed and they live on."""

    notes: tuple[str, ...]
    """What is worth knowing beside the answer, a sentence each."""

    why: Optional[Why]
    """What only --why looks at; the holders' outcomes tell then what a kill would do."""


@dataclass(frozen=True)
class Obstacle:
    """One thing that is in the way."""

    kind: Literal[
        "spared",
        "not_permitted",
        "hidden",
        "respawned",
        "survived",
        "timed_out",
        "client",
        "lingering",
        "unbindable",
        "fleeting",
        "container",
        "engine",
        "cancelled",
        "system",
    ]

    message: str

    help: Optional[str]
    """A next step for a person."""

    pid: Optional[int]
    """The holder that is in the way."""

    supervisor: Optional[Parent]
    """Who starts the holder again."""

    supervisor_spared: Optional[str]
    """Why --supervisor does not end the supervisor: a reason as of a spared holder, needed (others depend on it) or
    shell (somebody types into it)."""

    others: tuple[Holder, ...]
    """Holders of other ports that depend on the supervisor. Only looked for with --supervisor."""

    unit: Optional[str]
    """The systemd unit that the holder belongs to."""


@dataclass(frozen=True)
class Parent:
    """A process that starts a holder."""

    pid: int

    name: str

    command: tuple[str, ...]


@dataclass(frozen=True)
class Holder:
    """A process that holds the target."""

    pid: int

    name: str
    """Chosen by the process itself, like its command line: hostile input."""

    command: tuple[str, ...]
    """Empty where it can't be read. Invalid UTF-8 is replaced."""

    executable: Optional[str]

    cwd: Optional[str]
    """The working directory."""

    user: Optional[str]

    uid: Optional[int]
    """The effective user ID; null on Windows."""

    parent_pid: Optional[int]

    started: Optional[str]
    """In UTC."""

    sockets: tuple[Socket, ...]
    """Empty for a process that is here only as a descendant or supervisor of a holder."""

    signals: tuple[Literal["TERM", "INT", "HUP", "QUIT", "ABRT", "USR1", "USR2", "KILL"], ...]
    """What it was sent, in order; in a dry run, what it would be sent first."""

    outcome: Literal["exited", "released", "survived", "spared", "withheld", "denied", "would_signal", "seen"]
    """released: gave up the port and lives. withheld: not signalled, because the port would have stayed held
    anyway."""

    reason: Optional[Literal[
        "caller",
        "ancestor",
        "perhaps_ancestor",
        "init",
        "kernel",
        "system",
        "client",
        "forwarder",
        "editor",
        "outside",
        "folder_unknown",
        "not_agreed",
        "no_container",
    ]]
    """Why it is spared."""

    elapsed_ms: Optional[float]


@dataclass(frozen=True)
class Socket:
    """A socket that holds a port."""

    protocol: Literal["tcp", "udp"]

    address: str
    """The local address; 0.0.0.0 and :: are the wildcards. A link-local one has the index of its interface behind
    it, as in fe80::1%2."""

    port: int

    state: Literal["listen", "bound", "unconnected", "connected"]
    """listen: TCP that accepts connections. bound: TCP that is bound and does not listen. unconnected: UDP without
    a peer. connected: UDP of a server that is connected to its client."""


@dataclass(frozen=True)
class HiddenSocket:
    """A socket without a holder to be seen."""

    protocol: Literal["tcp", "udp"]

    address: str
    """The local address; 0.0.0.0 and :: are the wildcards. A link-local one has the index of its interface behind
    it, as in fe80::1%2."""

    port: int

    state: Literal["listen", "bound", "unconnected", "connected"]
    """listen: TCP that accepts connections. bound: TCP that is bound and does not listen. unconnected: UDP without
    a peer. connected: UDP of a server that is connected to its client."""

    uid: Optional[int]
    """The user who made the socket."""

    user: Optional[str]


@dataclass(frozen=True)
class Container:
    """A container that publishes the target."""

    id: str

    name: str

    image: str

    ports: tuple[PublishedPort, ...]

    compose_project: Optional[str]

    compose_service: Optional[str]

    restart_policy: Optional[str]

    engine: str
    """Where the engine that runs it answers."""

    outcome: Literal["stopped", "killed", "would_stop", "seen"]

    elapsed_ms: Optional[float]


@dataclass(frozen=True)
class PublishedPort:
    """A port that it publishes."""

    protocol: Literal["tcp", "udp"]

    address: Optional[str]
    """The host's address; null: all."""

    host_port: int

    container_port: int


@dataclass(frozen=True)
class Supervisor:
    """Who may start a holder again."""

    pid: int

    name: str

    command: tuple[str, ...]

    unit: Optional[str]
    """The systemd unit that the holder belongs to, where the process is the service manager."""

    restarts: Literal["perhaps", "typed", "on_change", "always"]
    """When it starts the holder again, as far as that is known: on_change is when a file changes."""

    would_end: bool
    """Whether it would be ended as well (--supervisor) if it does."""

    others: tuple[Holder, ...]
    """Holders of other ports below it, for whose sake it is not ended. Only looked for with --supervisor."""

    help: Optional[str]
    """What stops it; in a dry run and with --why the option that ends it as well, if there is one."""


@dataclass(frozen=True)
class Why:
    """What only --why looks at."""

    can_be_bound: bool
    """Whether the kernel let every protocol and address family be bound, with SO_REUSEADDR or without."""

    would_be_freed: bool
    """Whether a kill would free it."""

    provenance: tuple[Provenance, ...]
    """Where each holder comes from."""

    elsewhere: tuple[Holder, ...]
    """Who holds the port in another network namespace, where nobody holds it in this one."""

    connections: tuple[Connections, ...]
    """Sockets that use the port without holding it, by state."""

    bind: tuple[Bind, ...]
    """What the kernel answered when the target was bound. error is null where it was possible."""

    causes: tuple[Cause, ...]
    """Why it can't be bound, beside the holders: only what was seen."""


@dataclass(frozen=True)
class Provenance:
    """Where a holder comes from."""

    pid: int

    ancestry: tuple[Parent, ...]
    """Nearest first."""

    breaks_off: Optional[int]
    """The parent at which the ancestry breaks off."""

    session_leader: Optional[Parent]

    origins: tuple[Origin, ...]
    """What had a part in starting it, nearest first."""

    brought_back_by: Optional[str]
    """What will bring it back when it is ended."""

    stop_command: Optional[str]
    """The command that stops it for good."""


@dataclass(frozen=True)
class Origin:
    """What had a part in starting a holder."""

    kind: Literal[
        "shell",
        "editor",
        "script_runner",
        "supervisor",
        "master",
        "systemd_unit",
        "cron",
        "ssh_session",
        "multiplexer",
        "terminal",
        "container",
        "wsl",
        "launchd_job",
        "windows_service",
        "init",
        "unknown",
    ]

    description: str

    pid: Optional[int]


@dataclass(frozen=True)
class Connections:
    """Those in one state that use a port without holding it."""

    protocol: Literal["tcp", "udp"]

    state: Literal[
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT_1",
        "FIN_WAIT_2",
        "TIME_WAIT",
        "CLOSE_WAIT",
        "LAST_ACK",
        "CLOSING",
        "CLOSED",
        "OTHER",
    ]

    count: int

    longest_ms: Optional[float]


@dataclass(frozen=True)
class Bind:
    """One bind."""

    protocol: Literal["tcp", "udp"]

    address: str

    reuse_address: bool

    error: Optional[str]

    code: Optional[int]


@dataclass(frozen=True)
class Cause:
    """One cause."""

    kind: Literal[
        "lingering",
        "bound_only",
        "client",
        "privileged",
        "excluded",
        "not_local",
        "kernel",
        "outside_namespace",
        "closed",
        "unreadable",
    ]

    message: str

    help: str
