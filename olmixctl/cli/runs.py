"""`olmixctl runs`: the evidence."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, Mix, NoColor

__all__ = ["list_runs", "show_run"]


def list_runs(mix: Mix = None, *, as_json: Json = False, no_color: NoColor = False) -> int:
    """List the recorded runs.

    What was trained, what it measured, and whether the lock rests on it.

    Example: olmixctl runs list base
    """
    from olmixctl.cli.console import open_console
    from olmixctl.report.text_runs import runs_text
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    workspace = Workspace.open(mix)
    lock, records = workspace.lock(), list(workspace.ledger)
    used = frozenset(lock.evidence if lock else ())
    console.answer(
        runs_text(workspace.spec.name, records, used, console.look),
        {"runs": [record.body() | {"evidence": record.key in used} for record in records]},
    )
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
    from olmixctl.cli.ledger import find_run
    from olmixctl.report.text_runs import run_text
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    record = find_run(Workspace.open(mix).ledger, key)
    console.answer(run_text(record, console.look), record.body())
    return 0
