"""Progress: one live line on a terminal, few plain lines elsewhere, and the right time left."""

from __future__ import annotations

import io

import pytest

from olmixctl.cli.progress import ApplyProgress, Line, data_progress, fit_progress
from olmixctl.execute.events import (
    BatchStarted,
    DataPreparing,
    RunFinished,
    RunProgress,
    Solving,
    TrainingStarted,
    WaitingForOthers,
)


class Stream(io.StringIO):
    def __init__(self, *, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def listening(clock, *, terminal):
    stream = Stream(terminal=terminal)
    return stream, ApplyProgress(Line(stream, clock), clock)


def progress(key, step, steps=100, speed=1000.0):
    return RunProgress(key=key, step=step, steps=steps, loss=2.5, tokens_per_second=speed, eta_seconds=9.0)


def finished(done, total=4, status="done"):
    metrics = {"a": 1.0, "b": 2.0} if status == "done" else {}
    return RunFinished(key=f"r1:{done:08}aa", status=status, metrics=metrics, wall_seconds=12.0, done=done, total=total)


def test_the_line_tells_runs_loss_speed_and_time_left(clock):
    _, listen = listening(clock, terminal=True)
    listen(TrainingStarted(missing=4, parallelism=2, device="cpu"))
    clock.now = 10.0
    listen(progress("r1:a", 50))
    listen(progress("r1:b", 50))
    assert listen.status() == "0/4 runs · about 30 s left · step 50/100 · loss 2.500 · 2K tokens/s"


def test_a_terminal_line_is_redrawn_in_place_and_erased(clock):
    stream, listen = listening(clock, terminal=True)
    listen(DataPreparing(what="token shards", done=1, total=4))
    clock.now = 0.05
    listen(DataPreparing(what="token shards", done=2, total=4))
    clock.now = 0.2
    listen(DataPreparing(what="token shards", done=3, total=4))
    assert stream.getvalue() == "\r\x1b[2Kpreparing token shards: 25 %\r\x1b[2Kpreparing token shards: 75 %"
    clock.now = 1.0
    listen(TrainingStarted(missing=1, parallelism=1, device="cuda"))
    assert stream.getvalue().endswith("75 %\r\x1b[2Ktraining 1 run on cuda\n")


def test_a_live_line_never_wraps(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Stream(terminal=True)
    Line(stream, clock).show("x" * 50)
    assert stream.getvalue() == "\r\x1b[2K" + "x" * 18 + "…"


def test_a_log_gets_few_lines_and_no_control_characters(clock):
    stream, listen = listening(clock, terminal=False)
    listen(TrainingStarted(missing=1000, parallelism=1, device="cpu"))
    for run in range(1, 1001):
        clock.now += 0.02
        listen(progress(f"r1:{run}", 1))
        listen(finished(run, 1000))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "training 1,000 runs on cpu"
    assert len(lines) < 20
    assert lines[-1] == "  1000/1000  r1:00001000  1.5000 bits per byte, 12 s"
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_slow_runs_have_a_line_each_with_the_time_left(clock):
    stream, listen = listening(clock, terminal=False)
    listen(TrainingStarted(missing=4, parallelism=1, device="cpu"))
    for run in (1, 2):
        clock.now += 12
        listen(finished(run))
    assert stream.getvalue().splitlines()[1:] == [
        "  1/4  r1:00000001  1.5000 bits per byte, 12 s, about 36 s left",
        "  2/4  r1:00000002  1.5000 bits per byte, 12 s, about 24 s left",
    ]


def test_in_rounds_runs_are_counted_over_the_whole_plan(clock):
    """Round 2 of 4, with 6 runs of the first recorded and 1 of this one: an apply that was interrupted goes on."""
    stream, listen = listening(clock, terminal=False)
    listen(BatchStarted(runs=11, planned=24, number=2, rounds=4, open=True))
    listen(TrainingStarted(missing=4, parallelism=1, device="cpu"))
    clock.now += 12
    listen(progress("r1:00000001aa", 50))
    status = "7/24 runs (round 2 of 4) · up to about 6 min 36 s left · step 50/100 · loss 2.500 · 1K tokens/s"
    assert listen.status() == status
    clock.now += 12
    listen(finished(1))
    clock.now += 24
    listen(finished(2, total=3))  # another apply recorded one of the four meanwhile
    assert stream.getvalue().splitlines() == [
        "training 4 runs on cpu (round 2 of 4, 7 of up to 24 recorded)",
        status,
        "   8/24  r1:00000001  1.5000 bits per byte, 12 s, up to about 6 min 24 s left",
        "  10/24  r1:00000002  1.5000 bits per byte, 12 s, up to about 5 min 36 s left",
    ]


def test_a_swarm_in_one_go_that_is_resumed_is_counted_whole(clock):
    stream, listen = listening(clock, terminal=False)
    listen(BatchStarted(runs=12, planned=12, number=1, rounds=1, open=False))
    listen(TrainingStarted(missing=4, parallelism=2, device="auto"))
    clock.now += 12
    listen(finished(1))
    assert stream.getvalue().splitlines() == [
        "training 4 runs, 2 at once (8 of 12 recorded)",
        "   9/12  r1:00000001  1.5000 bits per byte, 12 s, about 36 s left",
    ]


def test_a_run_that_diverged_is_always_told(clock):
    stream, listen = listening(clock, terminal=False)
    listen(TrainingStarted(missing=4, parallelism=1, device="cpu"))
    listen(finished(1, status="diverged"))
    assert "diverged" in stream.getvalue()


def test_quick_work_says_nothing_in_a_log(clock):
    stream = Stream(terminal=False)
    with Line(stream, clock) as line:
        show = data_progress(line)
        clock.now = 1.0
        show(1, 2)
        clock.now = 3.0
        show(2, 2)
        show(0, 0)
    assert stream.getvalue() == "reading data: 100 %\n"


def test_solving_is_shown(clock):
    stream, listen = listening(clock, terminal=True)
    listen(Solving(12))
    assert stream.getvalue().endswith("fitting and solving on 12 runs")


@pytest.mark.parametrize(("runs", "what"), [(1, "1 run"), (3, "3 runs"), (0, "the lock")])
def test_waiting_for_another_apply_is_shown(clock, runs, what):
    stream, listen = listening(clock, terminal=True)
    listen(WaitingForOthers(runs))
    assert f"waiting for another apply: {what}" in stream.getvalue()


def test_a_fit_says_which_laws_it_is_at(clock):
    stream = Stream(terminal=True)
    show = fit_progress(Line(stream, clock))
    show("gaussian", 1, 5)
    assert stream.getvalue() == "\r\x1b[2Kfitting gaussian to parts of the runs: 2 of 5"
