"""Applies in forked processes: killed at a chosen write, slowed down, counted. Imported once, so forks take no time."""

from __future__ import annotations

import builtins
import io
import multiprocessing
import os
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

# The log of trainings is no write of the apply.
_OPEN, _WRITE = os.open, os.write

PRELOADED = [
    "crashing",
    "olmixctl.workspace",
    "olmixctl.corpus.context",
    "olmixctl.execute.fake",
    "olmixctl.execute.training",
    "olmixctl.methods.decide",
    "olmixctl.methods.certify",
    "olmixctl.methods.feasible",
    "cvxpy",
    "scipy.optimize",
    "git",
    "olmixctl.repository",
    "olmixctl.repository.conflict",
    "olmixctl.repository.log",
    "olmixctl.repository.markers",
    "olmixctl.corpus.pool",
    "olmixctl.corpus.measure",
    "olmixctl.corpus.evals",
    "olmixctl.corpus.packed",
    "olmixctl.inventory",
    "jsonschema",
    "blake3",
]


def forks():
    """Processes forked from one that has everything imported and no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def apply_in(root, log=None, *, delay=0.0, kill_at=None, count=None, wait=True, gate=0, dies=False, verify=False):
    """Plan and apply in this process; the exit code says how it ended.

    Args:
        root: of the workspace.
        log: file that gets a line a training.
        delay: seconds a training.
        kill_at: die by SIGKILL right before this write, counted from 1.
        count: file that gets the number of writes.
        wait: as for `Workspace.apply`.
        gate: how many applies must be training before the first training of this one ends; each has a log of its own.
        dies: in the middle of its first training.
        verify: the lock, too.
    """
    from olmixctl.corpus import measure
    from olmixctl.errors import OlmixctlError
    from olmixctl.workspace import Workspace

    # Files that changed a moment ago are not cached: by the clock, so on a busy machine writes would come and go.
    measure._RACY_NS = -(10**18)
    workspace = Workspace.open(cwd=Path(root))
    workspace._executor = lambda evals, _=None: slow_executor(evals, log, delay, gate, dies=dies)
    writes = Writes(kill_at) if kill_at or count else None
    try:
        if writes:
            writes.install()
        plan = workspace.plan()
        result = workspace.apply(plan, wait=wait)
    except OlmixctlError as error:
        print(error, file=sys.stderr)
        os._exit(error.exit_code)
    finally:
        if writes:
            writes.remove()
    if count:
        Path(count).write_text("\n".join(writes.seen))
    if verify and not workspace.verify().ok:
        os._exit(98)
    os._exit(0 if result.written or not plan.has_changes or result.by_another else 99)


def slow_executor(evals, log, delay, gate, *, dies):
    from olmixctl.execute.fake import FakeExecutor

    class Slow(FakeExecutor):
        def measure(self, run):
            if log:
                descriptor = _OPEN(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                _WRITE(descriptor, f"{run.key} {os.getpid()}\n".encode())
                os.close(descriptor)
                while len(list(Path(log).parent.glob("log-*"))) < gate:
                    time.sleep(0.02)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(delay)
            return super().measure(run)

    return Slow(evals)


class Writes:
    """Counts every call that changes a disk, and dies right before the one numbered `kill_at`."""

    PLACES = (
        (os, ("write", "fsync", "replace", "rename", "link", "unlink", "remove", "mkdir", "truncate", "open")),
        (builtins, ("open",)),
        (io, ("open",)),  # pathlib opens with this one; the rest of its methods are those of os
    )

    def __init__(self, kill_at):
        self.kill_at = kill_at
        self.seen = []
        self.kept = []

    def install(self):
        for place, names in self.PLACES:
            for name in names:
                self.patch(place, name, self.counted(name, getattr(place, name)))
        self.patch(sqlite3, "connect", self.traced(sqlite3.connect))

    def patch(self, place, name, new):
        self.kept.append((place, name, getattr(place, name)))
        setattr(place, name, new)

    def remove(self):
        for place, name, original in reversed(self.kept):
            setattr(place, name, original)

    def counted(self, name, original):
        def call(*args, **kwargs):
            if name != "open" or opens_to_write(args, kwargs):
                self.point(f"{name} {args[0] if args else ''}")
            return original(*args, **kwargs)

        return call

    def traced(self, connect):
        def call(*args, **kwargs):
            connection = connect(*args, **kwargs)
            connection.set_trace_callback(lambda sql: self.point(sql) if sql.startswith("COMMIT") else None)
            return connection

        return call

    def point(self, what):
        if threading.current_thread() is not threading.main_thread():
            return  # heartbeats come by the clock, so a count of them would not come again
        self.seen.append(what)
        if len(self.seen) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(10)


def opens_to_write(args, kwargs):
    how = kwargs.get("mode", kwargs.get("flags", args[1] if len(args) > 1 else "r"))
    return bool(how & (os.O_WRONLY | os.O_RDWR)) if isinstance(how, int) else bool(set(how) & set("wxa+"))
