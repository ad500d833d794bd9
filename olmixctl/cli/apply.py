"""`olmixctl apply`: train the missing runs, fit, solve, write the lock last."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmixctl.cli.options import AllowRemove, Json, MaxRuns, NoColor, Parallelism, Recompute, Reuse, SolveOnly

__all__ = ["apply"]

_BLOCKED = 3


def apply(
    target: Annotated[
        str | None, typer.Argument(metavar="MIX|PLAN", help="A mix, or a plan saved by `plan --out` (.json).")
    ] = None,
    *,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Do not ask.")] = False,
    parallelism: Parallelism = None,
    max_runs: MaxRuns = None,
    solve_only: SolveOnly = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for runs that another apply trains.")] = False,
    reuse: Reuse = None,
    recompute: Recompute = None,
    allow_remove: AllowRemove = None,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Train the missing runs, fit, solve, write the lock.

    Each run is recorded the moment it ends; an interrupted apply continues where it stopped.

    Example: olmixctl apply base --auto-approve
    """
    from olmixctl.cli.applying import apply_made, approve
    from olmixctl.cli.console import open_console
    from olmixctl.cli.planning import is_plan_file, make_plan, make_saved_plan
    from olmixctl.plan.build import PlanOptions

    console = open_console(as_json=as_json, no_color=no_color)
    options = PlanOptions(
        reuse=reuse,
        recompute=tuple(recompute or ()),
        solve_only=solve_only,
        max_runs=max_runs,
        allow_remove=frozenset(allow_remove or ()),
    )
    saved = is_plan_file(target)
    made = make_saved_plan(Path(str(target)), options) if saved else make_plan(target, options)
    console.text(made.text(console.look))
    for note in made.notes:
        console.hint(f"note: {note}")
    if made.plan.blocked:
        console.answer_json({"written": False, "plan": made.document})
        return _BLOCKED
    if not made.plan.has_changes:
        console.answer_json({"written": False, "plan": made.document})
        return 0
    if not (auto_approve or saved or approve(console)):
        console.hint("nothing was done")
        return 1
    return apply_made(made, console, parallelism=parallelism, wait=not no_wait)
