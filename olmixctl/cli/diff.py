"""`olmixctl diff`: two locks compared."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, NoColor

__all__ = ["diff"]


def diff(
    before: Annotated[
        str, typer.Argument(metavar="A", help="A lockfile, a Git revision, REV:path, or both ends: A..B, A...B.")
    ],
    after: Annotated[
        str | None, typer.Argument(metavar="B", help="The same; the lock in the working tree when left out.")
    ] = None,
    *,
    mix: Annotated[str | None, typer.Option("--mix", metavar="MIX", help="Whose lock a bare revision means.")] = None,
    markdown: Annotated[bool, typer.Option("--md", help="Answer in Markdown.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 2 when they differ.")] = False,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Compare two locks.

    Weights, data, what was asked for, predictions. Domains that keep their ratios fold into one line.

    Example: olmixctl diff main...HEAD
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.locks import ends_of, lock_at, mix_of, origins_of, untold
    from olmixctl.lock.diff import diff_locks
    from olmixctl.report.markdown import diff_markdown
    from olmixctl.report.text_diff import diff_text

    console = open_console(as_json=as_json, no_color=no_color)
    first, last = ends_of(before, after)
    whose = mix or mix_of(first, last)
    origins = origins_of(whose)
    found = diff_locks(lock_at(first, whose), lock_at(last, whose), origins)
    console.answer(diff_markdown(found) if markdown else diff_text(found, console.look), found.as_json())
    for remark in untold(origins):
        console.hint(remark)
    return 2 if exit_code and not found.empty else 0
