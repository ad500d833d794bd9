"""`olmixctl runs`: the evidence."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, Mix, NoColor

__all__ = ["list_runs", "show_run"]


def list_runs(mix: Mix = None, *, as_json: Json = False, no_color: NoColor = False) -> int:
    """List the recorded runs.

    What was trained, what it measured, whether the lock rests on it; replicates and tainted results, too.

    Example: olmixctl runs list base
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.ledger import entries
    from olmixctl.report.text_runs import runs_text
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    workspace = Workspace.open(mix)
    lock = workspace.lock()
    listed = entries(workspace.ledger, lock.evidence if lock else ())
    text = runs_text(workspace.spec.name, listed, console.look)
    console.answer(text, {"runs": [entry.as_json() for entry in listed]})
    return 0


def show_run(
    key: Annotated[str, typer.Argument(metavar="RUN", help="The run's key, or the start of it.")],
    mix: Mix = None,
    *,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Show one run whole: mixture, metrics, inputs, provenance.

    Example: olmixctl runs show r1:4be0
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.ledger import entries, find_key
    from olmixctl.report.text_runs import run_text
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    ledger = Workspace.open(mix).ledger
    found = entries(ledger, (), find_key(ledger, key))
    first = next((entry for entry in found if entry.stands), found[-1])
    others = [entry.as_json() for entry in found if entry is not first]
    console.answer(run_text(found, console.look), first.as_json() | {"other_results": others})
    return 0
