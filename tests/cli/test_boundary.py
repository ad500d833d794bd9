"""Errors become messages and exit codes in one place; our defects look different from the user's mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from olmixctl.cli import boundary
from olmixctl.errors import (
    BlockedError,
    CorpusError,
    IncompleteError,
    InfeasibleError,
    IntegrityError,
    LeaseError,
    MissingExtraError,
    OlmixctlError,
    Place,
    SpecError,
    StaleError,
    UsageError,
)

CODES = {
    OlmixctlError: 1,
    SpecError: 1,
    CorpusError: 1,
    MissingExtraError: 1,
    BlockedError: 3,
    StaleError: 4,
    LeaseError: 5,
    IncompleteError: 6,
    InfeasibleError: 7,
    IntegrityError: 8,
    UsageError: 64,
}


def run(error, *, as_json=False):
    """The exit code of a command that raises `error`, or returns it if it is a number."""

    def command(*, as_json):
        if isinstance(error, BaseException):
            raise error
        return error

    with pytest.raises(boundary.Finished) as stop:
        boundary.bounded(command)(as_json=as_json)
    return stop.value.code


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_every_error_has_its_exit_code_and_says_place_and_remedy(kind, code, capsys):
    error = kind("found this", place=Place("mix.yaml", 3, 7, "proxy.tokens"), remedy="write that")
    assert run(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: mix.yaml:3:7: proxy.tokens: found this\n  → write that\n"


@pytest.mark.parametrize("kind", CODES)
def test_under_json_the_error_is_an_object_on_stdout(kind, capsys):
    assert run(kind("found this", place=Place("mix.yaml", 3)), as_json=True) == CODES[kind]
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["kind"] == kind.__name__
    assert error["exit"] == CODES[kind]
    assert error["place"] == {"file": "mix.yaml", "line": 3, "column": None, "field": ""}


def test_all_findings_of_a_mix_file_are_told(capsys):
    both = SpecError.collect([SpecError("one", place=Place("m", 1)), SpecError("two", place=Place("m", 2))])
    assert run(both, as_json=True) == 1
    out, err = capsys.readouterr()
    assert err.count("error: m:") == 2
    assert [p["message"] for p in json.loads(out)["error"]["problems"]] == ["one", "two"]


def test_the_conflicting_bounds_are_in_the_json(capsys):
    run(InfeasibleError("no", conflict=("min:a", "max:b")), as_json=True)
    assert json.loads(capsys.readouterr().out)["error"]["conflict"] == ["min:a", "max:b"]


def test_a_full_disk_is_no_defect(capsys):
    assert run(OSError(28, "No space left on device", "runs/x.json")) == 1
    assert capsys.readouterr().err == "error: runs/x.json: No space left on device\n"


def test_ctrl_c_ends_quietly(capsys):
    assert run(KeyboardInterrupt()) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_command_ends_with_the_code_it_returns():
    assert run(0) == 0
    assert run(2) == 2


@pytest.mark.parametrize("workspace", [True, False])
def test_a_defect_leaves_a_log_and_asks_to_report_it(workspace, tmp_path, monkeypatch, capsys):
    if workspace:
        (tmp_path / "mixes").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(boundary.tempfile, "gettempdir", lambda: str(tmp_path / "temp"))
    assert run(ZeroDivisionError("a slip"), as_json=True) == 70
    out, err = capsys.readouterr()
    assert "please report" in err
    assert "Traceback" not in err
    (log,) = tmp_path.rglob("defect-*.log")
    assert log.parent == (tmp_path / ".olmixctl/logs" if workspace else tmp_path / "temp")
    assert "ZeroDivisionError: a slip" in log.read_text()
    assert json.loads(out)["error"]["log"] == str(log)


@pytest.mark.parametrize(
    "words", [["plan", "--frob"], ["frob"], ["diff"], ["plan", "a", "b"], ["plan", "--max-runs", "x"]]
)
def test_a_wrong_command_line_exits_64(words, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "olmixctl", *words], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 64
    assert done.stderr.startswith("error: ")
    assert "\n  → " in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "--json", "--bogus"], "there is no option --bogus"),
        (["frob", "--json"], "there is no command frob"),
        (["diff", "--json"], "A is missing"),
        (["plan", "--json", "--max-runs", "x"], "--max-runs: found 'x'"),
        (["runs", "frob", "--json"], "there is no command frob"),
    ],
)
def test_under_json_a_wrong_command_line_is_an_object_on_stdout(words, message, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "olmixctl", *words], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 64
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit"]) == ("UsageError", 64)
    assert error["message"] == message
    assert error["remedy"]
    assert message in done.stderr


def test_without_json_a_wrong_command_line_says_nothing_on_stdout(tmp_path):
    words = [sys.executable, "-m", "olmixctl", "plan", "--frob", "--", "--json"]
    done = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (64, "")


def test_a_reader_that_goes_away_leaves_no_message(root):
    command = f"{sys.executable} -m olmixctl plan --full --json | true"
    done = subprocess.run(["bash", "-c", command], cwd=root, check=False, capture_output=True, text=True)
    assert done.stderr == ""


def test_a_terminal_without_unicode_gets_replacements(root):
    done = subprocess.run(
        [sys.executable, "-m", "olmixctl", "plan"],
        cwd=root,
        check=False,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0
    assert b"Plan for base" in done.stdout
