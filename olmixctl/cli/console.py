"""Where answers go: stdout for the answer, stderr for hints and progress, JSON when asked."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import Any, TextIO

import typer

from olmixctl.report.look import Look

__all__ = ["Console", "open_console"]

_WIDEST = 120
"""Prose beyond this is hard to read; tables take the room they need."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Console:
    """How this command answers.

    Attributes:
        as_json: the answer is JSON.
        look: page and colour of text answers.
    """

    as_json: bool
    look: Look

    def answer(self, text: str, value: Any) -> None:  # noqa: ANN401  (any JSON value)
        """The answer: `text` for people, `value` under --json."""
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False) if self.as_json else text.rstrip("\n"))

    def text(self, text: str) -> None:
        """A part of the answer that only people get."""
        if not self.as_json:
            typer.echo(text.rstrip("\n"))

    def answer_json(self, value: Any) -> None:  # noqa: ANN401  (any JSON value)
        """A part of the answer that only programs get."""
        if self.as_json:
            typer.echo(json.dumps(value, indent=2, ensure_ascii=False))

    def hint(self, text: str) -> None:
        """What to know or do next; beside the answer, on stderr."""
        typer.echo(text, err=True)


def open_console(*, as_json: bool, no_color: bool) -> Console:
    """The console of this process."""
    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    return Console(as_json=as_json, look=Look(width=width, color=not no_color and _shows_color(sys.stdout)))


def _shows_color(stream: TextIO) -> bool:
    """https://no-color.org: any value of NO_COLOR but the empty one turns colour off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
