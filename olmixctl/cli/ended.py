"""An apply that ended without a mix: remembered, so that the next plan of the same says so.

Whether guardrails leave a mix is known under the laws that apply fits, and where they do not, it writes no lock. What
it found is kept in `.olmixctl`, for this machine alone, and said for as long as everything it followed from stands:
what is asked for, the data, the lock before, the runs, their results, and the version of olmixctl.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from olmixctl.cli.files import write_json
from olmixctl.errors import InfeasibleError, OlmixctlError
from olmixctl.fingerprint import digest
from olmixctl.plan.codec import plan_as_json
from olmixctl.plan.model import Check, Plan
from olmixctl.spec.find import LOCK_SUFFIX
from olmixctl.version import __version__
from olmixctl.workspace import Workspace

__all__ = ["remembered", "with_ending"]

_ASKED = ("name", "base", "domains", "evals", "trainer", "kind", "coordinates", "carried", "extra_evidence", "rounds")


@contextlib.contextmanager
def remembered(workspace: Workspace, plan: Plan) -> Iterator[None]:
    """Applying `plan`: where no mix is possible, that is kept for the next plan.

    Raises:
        InfeasibleError: as it was raised inside.
    """
    try:
        yield
    except InfeasibleError as error:
        found = {"question": _question(plan), "evidence": _evidence(workspace)}
        # What apply found matters more than that it cannot be kept.
        with contextlib.suppress(OSError, OlmixctlError):
            path = _path(workspace)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, found | {"message": error.message, "remedy": error.remedy})
        raise


def with_ending(workspace: Workspace, plan: Plan) -> Plan:
    """`plan`, with a warning where the last apply of the same plan, on the same results, ended without a mix."""
    if not (plan.has_changes and plan.complete):
        return plan
    ending = _read(_path(workspace))
    if ending is None or ending["question"] != _question(plan) or ending["evidence"] != _evidence(workspace):
        return plan
    check = Check(
        level="warn",
        name="no-mix",
        message=f"the last apply of this plan ended without a mix, and the next one will (exit 7): {ending['message']}",
        remedy=ending["remedy"],
    )
    return replace(plan, checks=(*plan.checks, check))


def _question(plan: Plan) -> str:
    """Digest of what a plan decides, whether its runs are recorded by now or not."""
    document = plan_as_json(plan)
    asked = {name: document[name] for name in _ASKED if name in document}
    runs, spec = [run.key for run in plan.runs], plan.observed.semantic
    return digest({**asked, "runs": runs, "spec": spec, "tool": __version__}, prefix="sha256")


def _evidence(workspace: Workspace) -> str:
    """Digest of all results that may be used."""
    records = workspace.ledger.records()
    return digest([records[key].finding for key in sorted(records)], prefix="sha256")


def _path(workspace: Workspace) -> Path:
    name = workspace.lock_path.name.removesuffix(LOCK_SUFFIX)
    return workspace.root / ".olmixctl" / "ended" / f"{name}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """What was kept; None where nothing was, or where it is not whole: then there is nothing to say."""
    try:
        ending = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(ending, dict) and ending.keys() >= {"question", "evidence", "message", "remedy"}
    return ending if whole else None
