"""`olmixctl validate`: is the mix file right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from olmixctl.cli.options import Json, Mixes, NoColor

if TYPE_CHECKING:
    from olmixctl.workspace import Workspace

__all__ = ["validate"]


def validate(mixes: Mixes = None, *, as_json: Json = False, no_color: NoColor = False) -> int:
    """Check mix files: schema, names, bounds. Reads no data.

    Example: olmixctl validate mixes/base.yaml
    """
    from olmixctl.cli.console import open_console
    from olmixctl.report.numbers import plural
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    found = [Workspace.open(target) for target in mixes or (None,)]
    for w in found:
        _check_bounds(w)
    lines = [
        f"{w.path.name}: valid, {plural(len(w.spec.domains), 'domain')}, {plural(len(w.spec.evals), 'eval')}, "
        f"{plural(len(w.spec.constraints) + len(w.spec.ratios), 'constraint')}"
        for w in found
    ]
    console.answer(
        "\n".join(lines),
        {"valid": [{"path": str(w.path), "name": w.spec.name, "domains": list(w.spec.domain_ids)} for w in found]},
    )
    for w in found:
        if w.path.stem != w.spec.name:
            console.hint(f"note: {w.path.name}: {_two_names(w.path, w.spec.name)}")
    return 0


def _check_bounds(workspace: Workspace) -> None:
    """Bounds that the arithmetic of loading does not decide; what solves them loads only for those.

    Raises:
        InfeasibleError: they exclude each other.
    """
    from olmixctl.spec.bounds import is_decided

    if not is_decided(workspace.spec):
        from olmixctl.methods.feasible import check_declared

        check_declared(workspace.spec, workspace.loaded.place)


def _two_names(path: Path, name: str) -> str:
    return (
        f"its `name` is {name!r}; commands, the lock and the runs go by the file ({path.stem}, {path.stem}.lock.yaml, "
        f"{path.stem}.runs), titles and exports by the name"
    )
