"""What is going on, on stderr: one live line on a terminal, an occasional plain line elsewhere. Erased when done."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO, assert_never

from olmixctl.execute.events import (
    ApplyEvent,
    BatchStarted,
    DataPreparing,
    Looked,
    RunFinished,
    RunProgress,
    Solving,
    TrainingStarted,
    WaitingForOthers,
)
from olmixctl.report.numbers import count, plural, seconds

__all__ = ["ApplyProgress", "Line", "data_progress", "fit_progress"]

_LIVE_EVERY = 0.1
"""Seconds between redraws of the live line."""

_PLAIN_EVERY = 5.0
"""Seconds between plain lines of one kind."""

_SAID_EVERY = 2.0
"""Seconds between lines on finished runs."""

_QUIET = 2.0
"""Seconds before work says anything at all."""


class Line:
    """A status line: redrawn in place on a terminal, appended now and then elsewhere.

    Args:
        stream: where it is written.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._live = self._stream.isatty()
        self._began = clock()
        self._drawn: float | None = None
        self._showing = False
        self._said = self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """The state now; most calls draw nothing."""
        now = self._clock()
        quiet = 0.0 if self._live else _QUIET
        every = _LIVE_EVERY if self._live else _PLAIN_EVERY
        if now - self._began < quiet or (self._drawn is not None and now - self._drawn < every):
            return
        self._drawn = now
        if self._live:
            width = shutil.get_terminal_size((80, 24)).columns - 1
            self._write(f"\r\x1b[2K{text if len(text) <= width else text[: width - 1] + '…'}")
            self._showing = True
        else:
            self._write(f"{text}\n")

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        self._said = self._clock()
        self._write(f"{text}\n")

    def mention(self, text: str) -> None:
        """A line that stays, unless another came just before: short runs do not flood the screen."""
        if self._clock() - self._said >= _SAID_EVERY:
            self.say(text)

    def clear(self) -> None:
        """Take the live line away."""
        if self._showing:
            self._write("\r\x1b[2K")
            self._showing = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def data_progress(line: Line, what: str = "reading data") -> Callable[[int, int], None]:
    """A progress call (done, total) that shows its share on `line`, with the time left."""
    began = time.monotonic()

    def show(done: int, total: int) -> None:
        if total:
            left = (time.monotonic() - began) * (total - done) / done if done else None
            line.show(f"{what}: {100 * done // total} %{_left(left)}")

    return show


def fit_progress(line: Line) -> Callable[[str, int, int], None]:
    """A call (family, folds done, folds) that shows on `line` which laws are being fitted; how long is not known."""
    return lambda family, done, total: line.show(f"fitting {family} to parts of the runs: {done + 1} of {total}")


class ApplyProgress:
    """Listens to apply. Keeps what is in flight, so that runs, loss, speed and time left are of the whole."""

    def __init__(self, line: Line, clock: Callable[[], float] = time.monotonic) -> None:
        self._line = line
        self._clock = clock
        self._began = clock()
        self._running: dict[str, RunProgress] = {}
        self._batch: BatchStarted | None = None
        self._done = 0
        self._total = 0

    def __call__(self, event: ApplyEvent) -> None:
        """Take in one event."""
        match event:
            case DataPreparing():
                share = 100 * event.done // event.total if event.total else 100
                self._line.show(f"preparing {event.what}: {share} %")
            case BatchStarted():
                self._batch = event
            case TrainingStarted():
                self._start(event)
            case RunProgress():
                self._running[event.key] = event
                self._line.show(self.status())
            case RunFinished():
                self._finish(event)
            case WaitingForOthers():
                others = plural(event.runs, "run") if event.runs else "the lock"
                self._line.show(f"waiting for another apply: {others}")
            case Looked():
                self._line.say(_looked(event))
            case Solving():
                self._line.show(f"fitting and solving on {plural(event.runs, 'run')}")
            case _:
                assert_never(event)

    def status(self) -> str:
        """Runs done and the time left, then loss and speed of what is in flight: a narrow page cuts the end."""
        text = f"{self._place()}/{self._whole()} runs"
        text += (f" ({self._round()})" if self._round() else "") + self._left(" · ")
        if self._running:
            latest = min(self._running.values(), key=lambda run: (-run.step, run.key))
            speed = sum(run.tokens_per_second for run in self._running.values())
            text += f" · step {latest.step}/{latest.steps} · loss {latest.loss:.3f} · {count(speed)} tokens/s"
        return text

    def _start(self, event: TrainingStarted) -> None:
        self._done, self._total = 0, event.missing
        self._began = self._clock()
        at_once = f", {event.parallelism} at once" if event.parallelism > 1 else ""
        where = "" if event.device == "auto" else f" on {event.device}"
        most = f"{'up to ' if self._batch and self._batch.open else ''}{self._whole()}"
        recorded = f"{self._place()} of {most} recorded" if self._place() else ""
        words = ", ".join(filter(None, (self._round(), recorded)))
        self._line.say(f"training {plural(event.missing, 'run')}{where}{at_once}{f' ({words})' if words else ''}")

    def _finish(self, event: RunFinished) -> None:
        self._running.pop(event.key, None)
        self._done, self._total = event.done, event.total
        mean = sum(event.metrics.values()) / len(event.metrics) if event.metrics else None
        measured = event.status if mean is None else f"{mean:.4f} bits per byte"
        number = f"{self._place():>{len(str(self._whole()))}}/{self._whole()}"
        text = f"  {number}  {event.key[:11]}  {measured}, {seconds(event.wall_seconds)}{self._left(', ')}"
        if event.done == event.total or event.status != "done":
            self._line.say(text)
        else:
            self._line.mention(text)

    def _place(self) -> int:
        """Runs that are there, of the whole swarm; of the batch alone where nobody said what it is part of."""
        missing = self._total - self._done
        return self._done if self._batch is None else self._batch.runs - missing

    def _whole(self) -> int:
        return self._total if self._batch is None else self._batch.planned

    def _round(self) -> str:
        batch = self._batch
        return "" if batch is None or batch.rounds == 1 else f"round {batch.number} of {batch.rounds}"

    def _left(self, joint: str) -> str:
        """Time left, by the work done in this batch, runs in flight counted by their steps."""
        flying = sum(run.step / run.steps for run in self._running.values() if run.steps)
        work = self._done + flying
        if not work:
            return ""
        left = (self._clock() - self._began) / work * (self._whole() - self._place() - flying)
        # Apply may stop before, and some of the runs of later batches may be recorded.
        later = self._batch is not None and self._batch.runs < self._batch.planned
        return _left(left, f"{joint}up to " if later else joint)


def _looked(event: Looked) -> str:
    known = f"within {event.regret:g} of the best with probability {event.probability:.2f}"
    return f"after {event.runs} of {event.planned} runs: {known}, {'enough' if event.enough else 'going on'}"


def _left(left: float | None, joint: str = ", ") -> str:
    return "" if left is None or left < 1 else f"{joint}about {seconds(left)} left"
