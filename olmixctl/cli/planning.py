"""Making a plan for a command, and reading a saved one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olmixctl.cli.ended import with_ending
from olmixctl.cli.files import write_json
from olmixctl.committed import branch_point
from olmixctl.errors import IntegrityError, Place, UsageError
from olmixctl.fingerprint import digest
from olmixctl.plan.build import PlanOptions
from olmixctl.plan.codec import check_plan_file, plan_as_json, saved_options
from olmixctl.plan.expiry import check_expiry, lifetime
from olmixctl.plan.model import Plan
from olmixctl.report.look import Look
from olmixctl.workspace import Workspace

if TYPE_CHECKING:
    from olmixctl.lock.model import Lock

__all__ = ["Made", "is_plan_file", "make_plan", "make_saved_plan", "read_plan_file", "write_plan"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A plan with all that a command needs around it.

    Attributes:
        workspace: of the mix.
        plan: as a value.
        document: as JSON.
        base: the lock it starts from.
        notes: what the person should know beside it.
    """

    workspace: Workspace
    plan: Plan
    document: dict[str, Any]
    base: Lock | None
    notes: tuple[str, ...] = ()

    def text(self, look: Look, *, full: bool = False, target: str | None = None) -> str:
        """The plan for a person; with a `target`, how to apply it."""
        from olmixctl.report.text_plan import kept_mass, plan_text

        weights = {} if self.base is None else self.base.weights.as_mixture()
        mass = kept_mass(self.document, weights, self.plan.renames) if self.base else None
        return plan_text(self.document, look, mass=mass, full=full, target=target)


def is_plan_file(target: str | None) -> bool:
    """Whether what was typed names a saved plan rather than a mix."""
    return target is not None and target.endswith(".json")


def make_plan(
    target: str | None,
    options: PlanOptions,
    *,
    baseline: str | None = None,
    environment: Mapping[str, str] | None = None,
    explain: bool = False,
) -> Made:
    """Plan the mix that `target` names.

    Args:
        target: what was typed.
        options: from the command line.
        baseline: revision or file of the lock to compare with, instead of the committed one.
        environment: of the process, where a pull request under test is to be compared with what it branched off from.
        explain: with the front that the mix lies on.
    """
    from olmixctl.cli.progress import Line, data_progress

    workspace = Workspace.open(target)
    base = workspace.lock() if baseline is None else workspace.lock_at(baseline)
    branched = None if baseline else branch_point(workspace.lock_path, base, environment or {})
    base = base if branched is None else branched.lock
    with Line() as line:
        plan = workspace.plan(options, baseline=branched or base, on_progress=data_progress(line))
    plan = with_ending(workspace, plan)
    where = {"mix_file": workspace.path.absolute().relative_to(workspace.root).as_posix()}
    with Line() as line:
        traded = workspace.trade_off(base, data_progress(line, "finding the front")) if explain else None
    front = {} if traded is None else {"trade_off": traded.as_json()}
    going = frozenset(base.domains if base else ()) - frozenset(workspace.spec.domain_ids)
    kept = replace(options, allow_remove=options.allow_remove & going)
    return Made(
        workspace=workspace,
        plan=plan,
        document=_sealed(plan_as_json(plan, kept) | where | front),
        base=base,
        notes=tuple(f"--allow-remove {d}: it is not about to go" for d in sorted(options.allow_remove - going)),
    )


def make_saved_plan(path: Path, asked: PlanOptions = PlanOptions()) -> Made:
    """Plan again what the file `path` planned, and check that nothing changed since.

    Args:
        path: of the file.
        asked: options given beside it; it holds its own, and can only be told to train nothing or fewer runs.

    Raises:
        StaleError: something did, or it expired; the message says what.
        UsageError: the file is no plan, its mix file is not here or above, or an option contradicts it.
        IntegrityError: the file is not as it was written.
    """
    if asked.reuse or asked.recompute or asked.allow_remove:
        raise UsageError(
            "a saved plan holds its own --reuse, --recompute and --allow-remove",
            place=Place(str(path)),
            remedy="leave them out, or plan again with them",
        )
    saved = read_plan_file(path)
    check_expiry(saved, datetime.now(UTC))
    options = saved_options(saved)
    made = _again(_mix_of(saved, path), options)
    check_plan_file(saved, made.plan, options)
    limits = [n for n in (options.max_runs, asked.max_runs) if n is not None]
    narrower = replace(options, solve_only=options.solve_only or asked.solve_only, max_runs=min(limits, default=None))
    return made if narrower == options else make_plan(_mix_of(saved, path), narrower)


def _again(mix: str, options: PlanOptions) -> Made:
    """The plan of the present; where a domain to recompute changed or went meanwhile, one that shows just that."""
    try:
        return make_plan(mix, options)
    except UsageError:
        if not options.recompute:
            raise
        return make_plan(mix, replace(options, reuse=None, recompute=()))


def write_plan(path: Path, document: dict[str, Any], life: timedelta | None) -> None:
    """Save a plan to be applied; it lives for `life`, or for ever."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    write_json(path, _sealed(rest | lifetime(datetime.now(UTC), life)))


def read_plan_file(path: Path) -> dict[str, Any]:
    """The saved plan at `path`, of the shape of `schemas/plan.schema.json`.

    Raises:
        UsageError: it cannot be read, is not JSON, or is no plan.
        IntegrityError: it is not as it was written.
    """
    from olmixctl.spec.schema import load_schema, violations

    place, remedy = Place(str(path)), "write one with `olmixctl plan --out FILE`"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the plan cannot be read: {error.strerror}", place=place, remedy=remedy) from error
    except ValueError as error:
        raise UsageError(f"the plan is not JSON ({error})", place=place, remedy=remedy) from error
    if not isinstance(document, dict) or "plan_version" not in document:
        raise UsageError("the file is not a plan of olmixctl", place=place, remedy=remedy)
    for found in violations(document, load_schema("plan")):
        where = ".".join(str(part) for part in found.path)
        raise UsageError(f"the plan was altered: {where}: {found.message}", place=place, remedy=remedy)
    _check_seal(document, place)
    return document


def _sealed(document: dict[str, Any]) -> dict[str, Any]:
    """The plan with the digest of all else in it, by which an edited file is told."""
    return document | {"digest": digest(document, prefix="sha256")}


def _check_seal(document: dict[str, Any], place: Place) -> None:
    rest = {key: value for key, value in document.items() if key != "digest"}
    try:
        whole = digest(rest, prefix="sha256") == document["digest"]
    except ValueError:  # Infinity and NaN, which Python reads and JSON does not have
        whole = False
    if not whole:
        raise IntegrityError(
            "the plan was altered after it was written",
            place=place,
            remedy="write it again: `olmixctl plan --out FILE`",
        )


def _mix_of(saved: dict[str, Any], path: Path) -> str:
    """The mix file of a saved plan, looked for here, in the folders above, and where the plan lies.

    Raises:
        UsageError: it is in none of them.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, *path.absolute().parents):
        if (folder / saved["mix_file"]).is_file():
            return str(folder / saved["mix_file"])
    raise UsageError(
        f"the plan is of {saved['mix_file']}, which is not here or in a folder above",
        place=Place(str(path)),
        remedy="change to the repository that the plan was made in",
    )
