"""`olmixctl unlock`: leases, and how to be rid of those that nobody holds any more."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, Mix, NoColor

__all__ = ["unlock"]


def unlock(
    mix: Mix = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Remove leases of living holders, too.")] = False,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """List leases; remove those whose holder has ended.

    A holder that loses its lease records nothing under it. Leases of other machines expire by themselves.

    Example: olmixctl unlock base
    """
    from olmixctl.cli.console import open_console
    from olmixctl.report.text_leases import leases_text
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    workspace = Workspace.open(mix)
    found = workspace.unlock(force=force)
    text = leases_text(workspace.spec.name, found, console.look)
    console.answer(text, {"leases": [lease.as_json() for lease in found]})
    if any(not lease.removed for lease in found):
        console.hint("held leases are of applies that may still run: wait for them, or --force")
    return 0
