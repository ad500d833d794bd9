"""The commands, in the order of a working day. Importing this loads the parser and nothing else of weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from olmixctl.cli import (
    apply,
    diff,
    explain,
    export,
    fit,
    fmt,
    history,
    importing,
    init,
    plan,
    resolve,
    runs,
    show,
    taint,
    unlock,
    validate,
    verify,
)
from olmixctl.cli.boundary import bounded

__all__ = ["app"]

_EXITS = """
Exit codes: 0 done, 1 error, 2 changes present (only where asked for), 3 blocked, 4 stale, 5 leased,
6 incomplete and resumable, 7 infeasible, 8 integrity, 64 usage, 70 a defect.
"""

app = typer.Typer(
    name="olmixctl",
    help="Declarative data mixtures: plan what changed, train only the proxy runs it needs, lock the mix.",
    epilog=_EXITS,
    no_args_is_help=True,
    add_completion=True,
    # Plain help: it needs no rich, so it is there at once, and it is the same in a log.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"olmixctl {version('olmixctl')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Declarative data mixtures: plan what changed, train only the proxy runs it needs, lock the mix."""


def _group() -> None:
    """Adopt what others made."""


_COMMANDS: dict[str, Callable[..., int]] = {
    "init": init.init,
    "validate": validate.validate,
    "fmt": fmt.fmt,
    "plan": plan.plan,
    "apply": apply.apply,
    "show": show.show,
    "diff": diff.diff,
    "history": history.history,
    "resolve": resolve.resolve,
    "verify": verify.verify,
    "explain": explain.explain,
    "export": export.export,
    "fit": fit.fit,
    "unlock": unlock.unlock,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(bounded(_command))

_runs = typer.Typer(name="runs", help="The evidence: recorded proxy runs.", no_args_is_help=True, rich_markup_mode=None)
_runs.command("list")(bounded(runs.list_runs))
_runs.command("show")(bounded(runs.show_run))
_runs.command("taint")(bounded(taint.taint_run))
app.add_typer(_runs)

_import = typer.Typer(name="import", help="Adopt what others made.", no_args_is_help=True, rich_markup_mode=None)
_import.callback()(_group)
_import.command("runs")(bounded(importing.import_swarm))
app.add_typer(_import)
