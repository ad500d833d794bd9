"""Stdout is for answers: what C code prints there while it solves is not among them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest
import scipy.optimize

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve import LinearBound, MixProblem, round_solution
from olmixctl.solve.silent import silent_stdout

LIBRARY = ctypes.CDLL(None)


def say(text: str) -> None:
    """As C code does: into a buffer of its own."""
    LIBRARY.puts(text.encode())


def test_what_c_code_prints_inside_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    say("before")
    with silent_stdout():
        say("inside")
        os.write(1, b"directly\n")
    say("after")
    LIBRARY.fflush(None)
    assert capfd.readouterr().out.split() == ["before", "after"]


def test_an_error_inside_leaves_stdout_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InfeasibleError), silent_stdout():
        raise InfeasibleError("inside")
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "after\n"


def test_without_a_stdout_nothing_is_turned_away() -> None:
    code = (
        "import os, sys\n"
        "from olmixctl.solve.silent import silent_stdout\n"
        "os.close(1)\n"
        "with silent_stdout():\n"
        "    pass\n"
        "sys.stderr.write('went on')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == "went on"


def narrow() -> MixProblem:
    """A ratio that few whole millionths keep: single moves do not find them."""
    return MixProblem(
        coordinates=Coordinates(("a", "b", "c")),
        reference=Mixture.normalised({"a": 0.7, "b": 0.1, "c": 0.2}),
        kl=1.0,
        metric_weights={},
        rows=tuple(
            LinearBound(name=f"{side}_ratio:r", coefficients={"a": 1.0, "b": -ratio}, ratio=ratio, **{end: 0.0})
            for side, end, ratio in (("min", "lower", LOW), ("max", "upper", HIGH))
        ),
    )


LOW, HIGH = 125.03207, 125.0320781195
POINT = {"a": 0.0050003 * LOW, "b": 0.0050003, "c": 1.0 - 0.0050003 * (1.0 + LOW)}


def test_what_the_search_for_millionths_prints_is_not_heard(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    solve, asked = scipy.optimize.milp, []

    def talkative(*args: object, **more: object) -> object:
        asked.append(1)
        say("HighsMipSolverData::transformNewIntegerFeasibleSolution tmpSolver.run();")
        return solve(*args, **more)

    monkeypatch.setattr(scipy.optimize, "milp", talkative)
    found = round_solution(narrow(), POINT).leaves
    assert asked
    assert LOW * found["b"] <= found["a"] <= HIGH * found["b"]
    assert capfd.readouterr().out == ""
