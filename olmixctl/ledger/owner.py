"""Which process holds a lease, and whether it is still there."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Owner", "started", "this_process"]

_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A process, in words that no other process of any machine shares.

    Attributes:
        host: name of the machine, for people too.
        boot: id of the machine's present boot; empty where there is none to read (elsewhere than on Linux).
        space: its space of process ids; containers on one machine have one each.
        pid: process id.
        started: when it started, in clock ticks since boot; ids of processes are used again.
    """

    host: str
    boot: str
    space: str
    pid: int
    started: str

    def as_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Owner:
        """The inverse of `as_json`; KeyError or ValueError where it is none."""
        return cls(
            host=str(value["host"]),
            boot=str(value["boot"]),
            space=str(value["space"]),
            pid=int(value["pid"]),
            started=str(value["started"]),
        )

    def is_dead(self) -> bool:
        """Whether it is known to have ended: it ran where this process runs, and runs no more.

        False says nothing: of processes on other machines, or in other containers, nothing can be seen from here.
        """
        here = this_process()
        if not here.boot or (self.host, self.boot, self.space) != (here.host, here.boot, here.space):
            return False
        return started(self.pid) != self.started


def this_process() -> Owner:
    """The process that asks."""
    pid = os.getpid()
    return Owner(host=socket.gethostname(), boot=_boot(), space=_space(), pid=pid, started=started(pid))


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _space() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def started(pid: int) -> str:
    """Start time of a process that runs; empty when there is none (one that ended and waits for its parent is none)."""
    try:
        # The command, in parentheses, may hold anything; state and the rest stand behind the last one.
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]
