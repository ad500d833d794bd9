"""docs/commands.md says everything the commands have, and nothing they do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from olmixctl.cli.app import app

DOCS = Path(__file__).parents[2] / "docs/commands.md"
GLOBAL = {"--json", "--no-color", "--help", "-h"}


def commands():
    """Words of a command → the command."""
    found = {}

    def walk(group, words):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                walk(command, [*words, name])
            else:
                found[" ".join([*words, name])] = command

    walk(typer.main.get_command(app), [])
    return found


def section(name):
    text = DOCS.read_text(encoding="utf-8")
    match = re.search(rf"^## olmixctl {re.escape(name)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert match, f"docs/commands.md has no section `olmixctl {name}`"
    return match[1]


@pytest.mark.parametrize("name", commands())
def test_every_option_of_a_command_is_documented_and_no_other(name):
    options = {opt for param in commands()[name].params for opt in param.opts if opt.startswith("--")} - GLOBAL
    rows = set(re.findall(r"^\| `(--[a-z-]+)", section(name), re.MULTILINE))
    assert rows == options


@pytest.mark.parametrize("name", commands())
def test_every_command_has_an_example_and_one_line_of_help(name):
    command = commands()[name]
    assert f"$ olmixctl {name}" in section(name)
    assert f"Example: olmixctl {name}" in command.help
    assert len(command.help.split("\n")[0]) <= 60


def test_every_argument_is_described():
    for command in commands().values():
        for param in command.params:
            assert param.help, f"{command.name}: {param.name}"


def test_no_section_is_left_of_a_command_that_went():
    assert set(re.findall(r"^## olmixctl (.+)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)) == set(commands())


def test_all_exit_codes_of_errors_are_listed():
    from olmixctl import errors

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)}
    used = {getattr(errors, name).exit_code for name in errors.__all__ if name.endswith("Error")}
    assert used | {0, 2, 70, 130} <= listed
