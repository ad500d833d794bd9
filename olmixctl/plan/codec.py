"""Plan ⇄ JSON, and what makes a saved plan stale. The file binds: apply may run less, never more or other."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, assert_never

from olmixctl.errors import StaleError
from olmixctl.lock.confidence import confidence_as_json
from olmixctl.mixture import GRID
from olmixctl.plan.build import PlanOptions
from olmixctl.plan.model import Change, Cost, Laws, Observed, Plan, PlanBase, PlannedRun, Strategy
from olmixctl.plan.rounds import Rounds
from olmixctl.plan.stale import differences
from olmixctl.plan.steps import CarryShares, FitAndSolve, KeepRatios, Step, TrainRuns, WriteLock, steps_of
from olmixctl.spec.families import declared_families

__all__ = ["PLAN_VERSION", "check_plan_file", "plan_as_json", "saved_options"]

PLAN_VERSION = 1


def plan_as_json(plan: Plan, options: PlanOptions = PlanOptions()) -> dict[str, Any]:
    """The plan as JSON (schema: `schemas/plan.schema.json`), with the options it was made under."""
    observed = plan.observed
    return {
        "plan_version": PLAN_VERSION,
        "name": observed.spec.name,
        "options": {
            "reuse": options.reuse,
            "recompute": list(options.recompute),
            "solve_only": options.solve_only,
            "max_runs": options.max_runs,
            "allow_remove": sorted(options.allow_remove),
            "refresh": options.refresh,
        },
        "base": _base(plan.base),
        "spec": {"semantic": observed.semantic, "full": observed.full},
        "domains": _domains(observed),
        "evals": dict(sorted(observed.evals.items())),
        "trainer": observed.trainer,
        "proxy": {"model": observed.spec.proxy.model, "tokens": observed.spec.proxy.tokens},
        "changes": [_change(change) for change in plan.changes],
        "proposals": list(plan.proposals),
        "kind": plan.kind,
        "reason": plan.reason,
        "has_changes": plan.has_changes,
        "complete": plan.complete,
        "coordinates": {
            "free": list(plan.coordinates.free),
            "blocks": {b.name: dict(b.shares) for b in plan.coordinates.blocks},
            "kept_from": plan.kept_from,
            "caps": {name: round(cap, 12) for name, cap in plan.block_caps},
        },
        "carried": None if plan.carried is None else {d: round(v, 12) for d, v in plan.carried.items()},
        "runs": [_run(run) for run in plan.runs],
        "extra_evidence": list(plan.extra_evidence),
        **_rounds(plan.rounds),
        "steps": [_step(step, observed) for step in steps_of(plan)],
        "strategies": [_strategy(strategy) for strategy in plan.strategies],
        "laws": _laws(plan.laws),
        "cost": _cost(plan.cost),
        "counterfactual": _cost(plan.counterfactual),
        "checks": [{"level": c.level, "name": c.name, "message": c.message, "remedy": c.remedy} for c in plan.checks],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "category": change.category,
        "subject": change.subject,
        "action": change.action,
        "reason": change.reason,
        "before": change.before,
        "after": change.after,
        "detail": None if change.detail is None else dict(change.detail),
    }


def _run(run: PlannedRun) -> dict[str, Any]:
    return {
        "key": run.key,
        "seed": run.inputs.seed,
        "recorded": run.recorded,
        "point": {name: points / GRID for name, points in run.point.items()},
    }


def _rounds(rounds: Rounds) -> dict[str, Any]:
    """How the runs are trained, where that is not in one go."""
    if not rounds.open:
        return {}
    stop = rounds.stop
    return {
        "rounds": {
            "later": list(rounds.later),
            "looks": list(rounds.looks),
            "stop": None if stop is None else {"regret": stop.regret, "confidence": stop.confidence},
        }
    }


def saved_options(saved: Mapping[str, Any]) -> PlanOptions:
    """The options under which planning again gives the saved plan, where nothing changed.

    The strategy is the one that was chosen, by whom ever: what was reviewed is what is applied, also where `auto` would
    choose otherwise by now.
    """
    options = saved["options"]
    reuse, recompute = options["reuse"], tuple(options["recompute"])
    chosen = next((row for row in saved["strategies"] if row["chosen"]), None)
    if chosen is not None and chosen["name"] != "solve-only":
        reuse, recompute = chosen["name"], tuple(chosen["recompute"])
    return PlanOptions(
        reuse=reuse,
        recompute=recompute,
        solve_only=options["solve_only"],
        max_runs=options["max_runs"],
        allow_remove=frozenset(options["allow_remove"]),
        refresh=options["refresh"],
    )


def _step(step: Step, observed: Observed) -> dict[str, Any]:
    match step:
        case TrainRuns(runs, later):
            return {"do": "train", "runs": len({run.key for run in runs}) + later}
        case FitAndSolve(coordinates, evidence, later):
            worst = observed.spec.objective.worst_case
            families = {"worst_of": len(declared_families(observed.spec.evals))} if worst else {}
            solve = {"do": "solve", "coordinates": len(coordinates.names), "runs": len(evidence) + later}
            return solve | families | {"laws": observed.spec.surrogate}
        case KeepRatios(coordinates):
            return {"do": "keep-ratios", "domains": len(coordinates.leaves)}
        case CarryShares(coordinates, _):
            return {"do": "carry", "domains": len(coordinates.leaves)}
        case WriteLock(serial):
            return {"do": "write-lock", "serial": serial}
        case _:
            assert_never(step)


def _strategy(strategy: Strategy) -> dict[str, Any]:
    gap = strategy.gap
    return {
        "name": strategy.name,
        "chosen": strategy.chosen,
        "recompute": list(strategy.recompute),
        "needed": strategy.needed,
        "recorded": strategy.recorded,
        "evidence": strategy.evidence,
        "cost": _cost(strategy.cost),
        # Rounded where another machine's last bits end: the plan is the same text everywhere.
        "gap": None
        if gap is None
        else {"loss": round(gap.loss, 6), "kappa": round(gap.kappa, 4), "freed": round(gap.freed, 4)},
    }


def _laws(laws: Laws) -> dict[str, Any]:
    return {
        "runs": laws.runs,
        "reason": laws.reason,
        "error": None if laws.error is None or not isfinite(laws.error) else round(laws.error, 6),
        "affected": round(laws.affected, 6),
        "guesses": dict(laws.guesses),
        "scores": {domain: round(score, 4) for domain, score in laws.scores.items()},
        "choice": laws.choice,
    }


def _base(base: PlanBase) -> dict[str, Any]:
    """The lock before; how sure it is only where it says so, as in the lock."""
    said = {} if base.confidence is None else {"confidence": confidence_as_json(base.confidence)}
    return {"digest": base.digest, "lineage": base.lineage, "serial": base.serial, **said}


def _domains(observed: Observed) -> dict[str, Any]:
    natural = observed.natural
    return {
        domain_id: {
            "fingerprint": state.fingerprint,
            "content": state.content,
            "tokens": state.tokens,
            "documents": state.documents,
            "natural": round(natural[domain_id], 6),
        }
        for domain_id, state in sorted(observed.states.items())
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "runs": cost.runs,
        "flops": cost.flops,
        "device_seconds": _spread(cost.device_seconds),
        "calibrated_on_runs": cost.calibration,
        "device": cost.device,
        "other_devices": dict(cost.other_devices),
        "money": _spread(cost.money),
        "currency": cost.currency,
    }


def _spread(values: tuple[float, float, float] | None) -> dict[str, float | None]:
    p10, p50, p90 = values or (None, None, None)
    return {"p10": p10, "p50": p50, "p90": p90}


def check_plan_file(saved: Mapping[str, Any], plan: Plan, options: PlanOptions = PlanOptions()) -> None:
    """Compare a saved plan with the plan of the present, made under `options`.

    Raises:
        StaleError: the present differs; the message names every difference at once.
    """
    if saved.get("plan_version") != PLAN_VERSION:
        raise StaleError(
            f"plan_version {saved.get('plan_version')!r} is not {PLAN_VERSION}", remedy="plan again with this olmixctl"
        )
    found = list(differences(saved, plan_as_json(plan, options)))
    if found:
        raise StaleError(
            "the plan is stale; since it was made:\n" + "\n".join(f"  - {line}" for line in found),
            remedy="plan again, and review what changed",
        )
