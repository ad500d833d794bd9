"""`olmixctl runs taint`: take a result out of use, with a reason."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, Mix, NoColor

__all__ = ["taint_run"]


def taint_run(
    key: Annotated[str, typer.Argument(metavar="RUN", help="The run's key, or the start of it.")],
    mix: Mix = None,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why, for those who come later.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the taints of this run back.")] = False,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Take a run's result out of use; it is trained again.

    The result stays on record, with the reason beside it; nothing is deleted.

    Example: olmixctl runs taint r1:4be0 --reason "loss spike after a restart"
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.ledger import find_key, taint, untaint
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    workspace = Workspace.open(mix)
    found = find_key(workspace.ledger, key)
    text = untaint(workspace.ledger, found, reason) if undo else taint(workspace.ledger, found, reason)
    console.answer(text, {"run": found, "tainted": workspace.ledger.tainted().get(found)})
    console.hint("next: olmixctl plan shows what follows")
    return 0
