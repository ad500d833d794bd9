"""`olmixctl verify`: is the lock whole, optimal and of this spec."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, Mix, NoColor

__all__ = ["verify"]

_INTEGRITY = 8


def verify(
    mix: Mix = None,
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read and hash the data again, too.")] = False,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Check the lock against its evidence.

    It must be whole, of this mix file, and the optimum of the recorded runs. Needs no GPU and no data.

    Example: olmixctl verify base
    """
    from olmixctl.cli.console import open_console
    from olmixctl.report.text_checks import checks_text
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    found = Workspace.open(mix).verify(deep=deep)
    rows = [(check.name, check.ok, check.detail) for check in found.checks]
    value = {
        "ok": found.ok,
        "serial": found.lock.serial,
        "checks": [{"name": name, "ok": ok, "detail": detail} for name, ok, detail in rows],
    }
    console.answer(checks_text(f"{found.lock.name}, lock serial {found.lock.serial}", rows, console.look), value)
    return 0 if found.ok else _INTEGRITY
