"""`olmixctl plan`: what changed, what will be trained, what it costs, what it saves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from olmixctl.cli.options import AllowRemove, Json, MaxRuns, Mix, NoColor, Out, Recompute, Reuse, SolveOnly

__all__ = ["plan"]

_BLOCKED = 3


MdInto = Annotated[Path | None, typer.Option("--md-into", metavar="FILE", help="Put the plan into a Markdown file.")]
JsonInto = Annotated[Path | None, typer.Option("--json-into", metavar="FILE", help="Put the plan into a JSON file.")]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", metavar="REV", help="Compare with the lock at REV, at merge-base:REV, or in a file."),
]


def plan(
    mix: Mix = None,
    *,
    out: Out = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="SPAN", help="How long --out may be applied: 12h, 7d, 2w or never.")
    ] = "7d",
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes.")
    ] = False,
    baseline: Baseline = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Count declared domains where their files can be read here.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what the mix trades: its distance, and family against family.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="List every change, kept domain and run.")] = False,
    md_into: MdInto = None,
    json_into: JsonInto = None,
    reuse: Reuse = None,
    recompute: Recompute = None,
    solve_only: SolveOnly = False,
    max_runs: MaxRuns = None,
    allow_remove: AllowRemove = None,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Show what apply would do. Trains nothing, writes no lock.

    Example: olmixctl plan base --out plan.json
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.outputs import output_path
    from olmixctl.cli.planning import make_plan, write_plan
    from olmixctl.plan.build import PlanOptions
    from olmixctl.plan.expiry import life_of

    console = open_console(as_json=as_json, no_color=no_color)
    saved, plain = output_path("--out", out, mix), output_path("--json-into", json_into, mix)
    markdown, life = output_path("--md-into", md_into, mix), life_of(expires)
    options = PlanOptions(
        reuse=reuse,
        recompute=tuple(recompute or ()),
        solve_only=solve_only,
        max_runs=max_runs,
        allow_remove=frozenset(allow_remove or ()),
        refresh=refresh,
    )
    # A saved plan is applied on the committed lock, so it is made on that.
    made = make_plan(mix, options, baseline=baseline, environment=os.environ if out is None else None, explain=explain)
    console.answer(made.text(console.look, full=full, target=str(out or mix or "")), made.document)
    for note in made.notes:
        console.hint(f"note: {note}")
    if saved is not None:
        write_plan(saved, made.document, life)
    _put(made.document, plain, markdown)
    if made.plan.blocked:
        return _BLOCKED
    return 2 if detailed_exitcode and made.plan.has_changes else 0


def _put(document: dict[str, Any], plain: Path | None, markdown: Path | None) -> None:
    """The plan into the files that were asked for."""
    from olmixctl.cli.files import write_json, write_section
    from olmixctl.report.markdown import plan_markdown

    if plain is not None:
        write_json(plain, document)
    if markdown is not None:
        write_section(markdown, f"plan {document['name']}", plan_markdown(document))
