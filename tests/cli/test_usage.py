"""What the argument parser finds wrong, in our words, in the words of several of its releases."""

from __future__ import annotations

import sys

import pytest

from olmixctl.cli import boundary
from olmixctl.cli.usage import usage_error

HELP = "`olmixctl fit --help` shows what there is"
SAID = {
    "misspelt option": (
        "No such option: --ratio (Possible options: --ratios)",
        "there is no option --ratio",
        "did you mean --ratios?",
    ),
    "misspelt option, older": (
        "No such option: --ratio Did you mean --ratios?",
        "there is no option --ratio",
        "did you mean --ratios?",
    ),
    "unknown option": ("No such option: --frob", "there is no option --frob", HELP),
    "misspelt command": (
        "No such command 'fti'. Did you mean 'fmt', 'fit'?",
        "there is no command fti",
        "did you mean fmt or fit?",
    ),
    "unknown command": ("No such command 'frob'.", "there is no command frob", HELP),
    "missing option": ("Missing option '--ratios'.", "--ratios is missing", HELP),
    "missing argument": ("Missing argument 'DOMAIN'.", "DOMAIN is missing", HELP),
    "no value": ("Option '--out' requires an argument.", "--out stands without its value", "write --out VALUE"),
    "too many": ("Got unexpected extra argument(s) (b c)", "one word too many: b c", HELP),
    "too many, older": ("Got unexpected extra argument (b)", "one word too many: b", HELP),
    "another message": ("Something else.", "Something else.", HELP),
}


@pytest.mark.parametrize(("said", "message", "remedy"), SAID.values(), ids=SAID)
def test_what_the_parser_says(said, message, remedy):
    error = usage_error(said, ["fit"])
    assert (error.message, error.remedy, error.exit_code) == (message, remedy, 64)


@pytest.mark.parametrize(
    "why",
    [
        "Input should be greater than or equal to 1",
        "0 is not in the range x>=1.",
    ],
)
def test_a_number_out_of_range_says_what_was_found(why):
    for typed in (["apply", "--parallelism", "0"], ["apply", "--parallelism=0"]):
        error = usage_error(f"Invalid value for '--parallelism': {why}", typed)
        assert error.message == "--parallelism: found '0'"
        assert error.remedy == "write a whole number of at least 1"


@pytest.mark.parametrize(
    "why", ["Input should be a valid integer, unable to parse string as an integer", "'x' is not a valid integer."]
)
def test_what_is_no_number(why):
    error = usage_error(f"Invalid value for '--max-runs': {why}", ["plan", "--max-runs", "3", "--max-runs", "x"])
    assert (error.message, error.remedy) == ("--max-runs: found 'x'", "write a whole number")


def test_a_value_that_is_wrong_in_another_way_is_said_as_the_parser_says_it():
    error = usage_error("Invalid value for '--out': it is odd", ["fit", "--out", "x"])
    assert (error.message, error.remedy) == ("--out: it is odd", HELP)


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["olmixctl", *words])
    with pytest.raises(SystemExit) as stop:
        boundary.run_app()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


@pytest.mark.parametrize(
    ("words", "message", "remedy"),
    [
        (["fit", "--ratio", "a.csv"], "there is no option --ratio", "did you mean --ratios?"),
        (["fit", "--ratios", "a.csv"], "--metrics is missing", HELP),
        (["explain", "web", "--resamples", "-1"], "--resamples: found '-1'", "a whole number of at least 0"),
        (["apply", "--parallelism=0"], "--parallelism: found '0'", "a whole number of at least 1"),
        (["plan", "--max-runs", "many"], "--max-runs: found 'many'", "a whole number"),
        (["fti"], "there is no command fti", "fit"),
        (["plan", "a", "b"], "one word too many: b", "`olmixctl plan --help`"),
    ],
)
def test_the_parser_in_use_is_understood(monkeypatch, capsys, words, message, remedy):
    code, out, err = run(monkeypatch, capsys, *words)
    assert (code, out) == (64, "")
    assert err.startswith(f"error: {message}\n  → ")
    assert remedy in err


def test_help_and_version_end_well_and_no_command_shows_the_help(monkeypatch, capsys):
    code, out, err = run(monkeypatch, capsys, "fit", "--help")
    assert (code, err) == (0, "")
    assert "--ratios" in out
    assert run(monkeypatch, capsys, "--version")[:1] == (0,)
    code, out, err = run(monkeypatch, capsys)
    assert code in (0, 64)  # the parser of some releases takes it for a question
    assert "Commands:" in out + err
