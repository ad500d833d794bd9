"""`olmixctl explain`: why a domain weighs what it does."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, NoColor

__all__ = ["explain"]


def explain(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="A domain of the lock.")],
    *,
    mix: Annotated[
        str | None, typer.Option("--mix", metavar="MIX", help="Of which mix, where there are several.")
    ] = None,
    resamples: Annotated[
        int, typer.Option("--resamples", min=0, metavar="N", help="Resamples behind the interval; 0 for none.")
    ] = 100,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Say why a domain weighs what it does.

    Bounds and what they cost, what pulls the share, the runs that say so, and how sure it is.

    Example: olmixctl explain web/health
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.progress import Line, data_progress
    from olmixctl.methods.resample import Bootstrap
    from olmixctl.report.text_explain import explain_text
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    with Line() as line:
        bootstrap = Bootstrap(resamples=resamples, on_progress=data_progress(line, "resampling the runs"))
        found = Workspace.open(mix).explain(domain, bootstrap)
    value = found.as_json()
    console.answer(explain_text(value, console.look), value)
    return 0
