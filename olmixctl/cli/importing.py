"""`olmixctl import runs`: adopt a swarm that others trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmixctl.cli.options import Json, Mix, NoColor

__all__ = ["import_swarm"]

_Domains = Annotated[
    list[str] | None,
    typer.Option("--domain", metavar="COLUMN=ID", help="A column of A.csv is this domain; may be repeated."),
]
_Evals = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="COLUMN=NAME", help="A column of B.csv is this eval; may be repeated."),
]
_Absent = Annotated[
    list[str] | None, typer.Option("--absent", metavar="ID", help="No run had any of this domain, which has no column.")
]
_Ignored = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="COLUMN", help="Leave a column, or a glob, out; may be repeated."),
]


def import_swarm(
    mix: Mix = None,
    *,
    ratios: Annotated[Path, typer.Option("--ratios", metavar="A.csv", help="A row a run: its id and its mixture.")],
    metrics: Annotated[Path, typer.Option("--metrics", metavar="B.csv", help="A row a run: its id and its losses.")],
    domain: _Domains = None,
    metric: _Evals = None,
    absent: _Absent = None,
    ignore: _Ignored = None,
    add: Annotated[bool, typer.Option("--add", help="These are more runs of the swarm adopted before.")] = False,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Runs that equal another in mixture and losses are runs of their own.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be recorded; record nothing.")] = False,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Adopt the runs of two tables as evidence.

    Rows are joined by run id. Each run becomes a file beside the lock; `apply --solve-only` decides the mix on them.

    Example: olmixctl import runs base --ratios ratios.csv --metrics metrics.csv
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.imported import columns_given, imported_as_json, next_steps
    from olmixctl.cli.progress import Line, data_progress
    from olmixctl.importing import Swarm, import_runs
    from olmixctl.report.text_import import imported_text
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    swarm = Swarm(
        ratios=ratios,
        metrics=metrics,
        domains=columns_given("--domain", domain or []),
        evals=columns_given("--metric", metric or []),
        absent=tuple(absent or ()),
        ignored=tuple(ignore or ()),
        more=add,
        repeats=repeats,
    )
    workspace = Workspace.open(mix)
    with Line() as line:
        found = import_runs(workspace, swarm, write=not dry_run, on_progress=data_progress(line))
    value = imported_as_json(found, swarm, dry_run=dry_run)
    console.answer(imported_text(value, console.look), value)
    for hint in next_steps(workspace, found):
        console.hint(hint)
    return 0
