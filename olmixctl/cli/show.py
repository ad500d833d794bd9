"""`olmixctl show`: a lock or a saved plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmixctl.cli.options import Json, NoColor

__all__ = ["show"]


def show(
    target: Annotated[
        str | None, typer.Argument(metavar="MIX|PLAN", help="A mix, a lockfile, or a saved plan (.json).")
    ] = None,
    *,
    full: Annotated[bool, typer.Option("--full", help="List every change, kept domain and run of a plan.")] = False,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Show the decided mix, or a saved plan.

    The mix stands beside the natural proportions, with what holds each weight.

    Example: olmixctl show base
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.locks import shown_lock
    from olmixctl.cli.planning import is_plan_file, read_plan_file
    from olmixctl.lock.codec import lock_as_json
    from olmixctl.report.text_lock import lock_text
    from olmixctl.report.text_plan import plan_text

    console = open_console(as_json=as_json, no_color=no_color)
    if is_plan_file(target):
        document = read_plan_file(Path(str(target)))
        console.answer(plan_text(document, console.look, full=full, target=str(target)), document)
        return 0
    lock, remarks = shown_lock(target)
    console.answer(lock_text(lock, console.look), lock_as_json(lock))
    for remark in remarks:
        console.hint(f"warning: {remark}")
    return 0
