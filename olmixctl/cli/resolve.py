"""`olmixctl resolve`: two branches of a mix joined."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmixctl.cli.options import AllowRemove, Json, MaxRuns, Mix, NoColor, Parallelism

__all__ = ["resolve"]


def resolve(
    mix: Mix = None,
    *,
    ours: Annotated[
        str | None, typer.Option("--ours", metavar="REV", help="One side, instead of what Git says.")
    ] = None,
    theirs: Annotated[str | None, typer.Option("--theirs", metavar="REV", help="The other side.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done; write nothing.")] = False,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Do not ask.")] = False,
    parallelism: Parallelism = None,
    max_runs: MaxRuns = None,
    allow_remove: AllowRemove = None,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Join the locks of two branches after a merge.

    The runs of both sides are the evidence; only what it lacks is trained. Merge the mix file first.

    Example: olmixctl resolve --auto-approve
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.joining import join, plan_join, without_decision
    from olmixctl.plan.build import PlanOptions
    from olmixctl.resolving import find_merging, refuse_markers
    from olmixctl.spec.find import find_mix
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    refuse_markers(find_mix(mix, Path.cwd()))
    workspace = Workspace.open(mix)
    merging = find_merging(workspace, ours, theirs)
    if without_decision(workspace, merging, console, write=not plan) or merging is None:
        return 0
    options = PlanOptions(max_runs=max_runs, allow_remove=frozenset(allow_remove or ()))
    made = plan_join(workspace, merging, options, console)
    approved = None if plan else auto_approve
    return join(workspace, merging, made, console, parallelism=parallelism, approved=approved)
