"""`olmixctl history`: a lock, or a domain of it, over commits."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, NoColor

__all__ = ["history"]


def history(
    domain: Annotated[str | None, typer.Argument(metavar="DOMAIN", help="A domain, by its present name.")] = None,
    *,
    mix: Annotated[
        str | None, typer.Option("--mix", metavar="MIX", help="Which mix; needed where there are several.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Show the newest N locks alone.")
    ] = None,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Show the lock over commits, and why it changed.

    With a domain: its weight, its passes, and the reason of each change, also under earlier names.

    Example: olmixctl history web/science
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.locks import origins_of, trail_of, untold
    from olmixctl.lock.history import domain_history, lock_history
    from olmixctl.report.text_history import domain_text, history_text

    console = open_console(as_json=as_json, no_color=no_color)
    name, trail = trail_of(mix, domain)
    origins, complete, rest = origins_of(mix), not trail.shallow, {"name": name, "shallow": trail.shallow}
    if domain is None:
        locks = lock_history(trail.locks, complete=complete, origins=origins)[:limit]
        console.answer(
            history_text(name, locks, console.look, shallow=trail.shallow),
            rest | {"locks": [entry.as_json() for entry in locks]},
        )
    else:
        changes = domain_history(trail.locks, domain, complete=complete, origins=origins)[:limit]
        console.answer(
            domain_text(domain, changes, console.look, shallow=trail.shallow),
            rest | {"domain": domain, "locks": [entry.as_json() for entry in changes]},
        )
    for remark in untold(origins):
        console.hint(remark)
    return 0
