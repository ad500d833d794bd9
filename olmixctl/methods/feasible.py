"""Can the bounds be met, before anything is trained; and if not, who stands against whom, and where it is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from olmixctl.errors import InfeasibleError, Place
from olmixctl.methods.carry import carried_weights
from olmixctl.methods.forced import warn_of_forced
from olmixctl.methods.olmix import keep_ratios
from olmixctl.methods.problem import bounds, breaks, declared_bounds, mix_problem
from olmixctl.mixture import GRID, Coordinates, Mixture
from olmixctl.plan.model import Check, Observed, Plan
from olmixctl.solve.feasible import check_feasible
from olmixctl.solve.problem import MixProblem
from olmixctl.spec.model import MixSpec

__all__ = ["check_bounds", "check_declared", "check_plan", "located", "warn_of_moved_ratios"]

# Kind of a bound, the part of its name before the colon → where it is declared.
_ADDRESSES = {
    "max": "domains.{}.max",
    "min": "domains.{}.min",
    "constraint": "constraints.{}",
    "max_ratio": "constraints.{}.max",
    "min_ratio": "constraints.{}.min",
    "ratio": "constraints.{}",
    "max_repetition": "target.max_repetition",
}


def check_plan(plan: Plan, place: Callable[[str], Place]) -> Plan:
    """`plan`, with warnings where kept ratios do not stand under the bounds, and where these leave something no share.

    Args:
        plan: the plan.
        place: address in the mix file → its place.

    Raises:
        InfeasibleError: no mix meets the bounds.
    """
    check_bounds(plan, place)
    moved = warn_of_moved_ratios(plan) if plan.kind in ("rescale", "carry") else plan
    return warn_of_forced(moved)


def check_bounds(plan: Plan, place: Callable[[str], Place]) -> None:
    """Some mix meets every bound in the coordinates of `plan`.

    Args:
        plan: the plan.
        place: address in the mix file → its place.

    Raises:
        InfeasibleError: none does; the message names an irreducible set, and the kept ratios when they belong to it.
    """
    _check_enough_data(plan.observed, place("target.tokens"))
    everything = Coordinates(tuple(plan.observed.states))
    space = everything if plan.kind in ("rescale", "carry") else plan.coordinates
    try:
        check_feasible(mix_problem(plan.observed, space))
    except InfeasibleError as error:
        where = _where(error.conflict, plan.observed.spec, place)
        if not space.blocks or not _feasible(plan.observed, everything):
            raise InfeasibleError(error.message, place=where, remedy=error.remedy, conflict=error.conflict) from error
        members = sum(len(block.shares) for block in space.blocks)
        raise InfeasibleError(
            f"with the kept ratios of {members} domains, {error.message}",
            place=where,
            remedy="plan and apply with --reuse none to estimate every share anew, or loosen one of these bounds",
            conflict=(*error.conflict, *(f"block:{block.name}" for block in space.blocks)),
        ) from error


def check_declared(spec: MixSpec, place: Callable[[str], Place]) -> None:
    """Some mix meets every bound that `spec` declares, whatever data there is: the caps of domains are left out.

    Args:
        spec: the mix file.
        place: address in it → its place.

    Raises:
        InfeasibleError: none does; the message names an irreducible set.
    """
    problem = MixProblem(
        coordinates=Coordinates(tuple(spec.domain_ids)),
        reference=Mixture.normalised(dict.fromkeys(spec.domain_ids, 1.0)),  # bounds do not depend on it
        kl=0.0,
        metric_weights={},
        rows=declared_bounds(spec),
    )
    with located(spec, place):
        check_feasible(problem)


def warn_of_moved_ratios(plan: Plan) -> Plan:
    """A `plan` without a solve, with a warning where a bound will move its shares: which bound, and by how much."""
    if plan.carried is not None:
        kept, name = plan.carried, "carried shares"
        weights, _ = carried_weights(plan.observed, plan.coordinates, kept)
    else:
        kept, name = plan.coordinates.expand(dict.fromkeys(plan.coordinates.names, 1.0)), "kept ratios"
        weights, _ = keep_ratios(plan.observed, plan.coordinates)
    broken = [row.name for row in bounds(plan.observed) if breaks(row, kept)]
    if not broken:
        return plan
    shifts = sorted(weights, key=lambda d: (-abs(weights[d] / GRID - kept[d]), d))[:3]
    listed = ", ".join(f"{d} {kept[d]:.2%} → {weights[d] / GRID:.2%}" for d in shifts)
    check = Check(
        level="warn",
        name="bounds-move-ratios",
        message=f"the {name} break {', '.join(broken)} and move to the nearest mix inside: {listed}",
        remedy="--reuse none estimates every share anew",
    )
    return replace(plan, checks=(*plan.checks, check))


def _check_enough_data(observed: Observed, place: Place) -> None:
    """All data, repeated as often as allowed, must fill the target run that is declared at `place`.

    Raises:
        InfeasibleError: it does not; the conflict is the caps of all domains.
    """
    target = observed.spec.target
    total = sum(state.tokens for state in observed.states.values())
    reach = total * target.max_repetition
    if reach < target.tokens:
        raise InfeasibleError(
            f"the caps of all {len(observed.states)} domains exclude the target run: all data repeated "
            f"{target.max_repetition:g}× is {round(reach):,} tokens, the run takes {target.tokens:,}",
            place=place,
            remedy="lower target.tokens, raise target.max_repetition, or add data",
            conflict=tuple(f"max_repetition:{domain_id}" for domain_id in sorted(observed.states)),
        )


def _feasible(observed: Observed, coordinates: Coordinates) -> bool:
    try:
        check_feasible(mix_problem(observed, coordinates))
    except InfeasibleError:
        return False
    return True


@contextmanager
def located(spec: MixSpec, place: Callable[[str], Place]) -> Iterator[None]:
    """Give bounds that turn out to exclude each other, once there are laws, the place where one is declared.

    Args:
        spec: the mix file.
        place: address in it → its place.

    Raises:
        InfeasibleError: as it was raised inside, with a place.
    """
    try:
        yield
    except InfeasibleError as error:
        where = error.place or _where(error.conflict, spec, place)
        message = f"{error.message}{'' if error.place else _of_guardrails(error.conflict, spec)}"
        raise InfeasibleError(message, place=where, remedy=error.remedy, conflict=error.conflict) from error


def _of_guardrails(conflict: Collection[str], spec: MixSpec) -> str:
    """Where the limits of the guardrails among `conflict` come from."""
    rails = [rail for rail in spec.objective.guardrails if f"guardrail:{rail.metric}" in conflict]
    from_where = "its prediction at the reference mix plus max_regression"
    return "".join(f"; guardrail:{rail.metric} is {from_where} {rail.max_regression:g}" for rail in rails)


def _where(conflict: Iterable[str], spec: MixSpec, place: Callable[[str], Place]) -> Place | None:
    """The first place of the mix file at which a bound of the conflict is declared."""
    addresses = filter(None, (_address(name, spec) for name in conflict))
    found = sorted((place(address) for address in addresses), key=lambda at: (at.line or 0, at.column or 0))
    return found[0] if found else None


def _address(bound: str, spec: MixSpec) -> str | None:
    kind, _, subject = bound.partition(":")
    if kind == "guardrail":
        number = next(i for i, rail in enumerate(spec.objective.guardrails) if rail.metric == subject)
        return f"objective.guardrails[{number}].max_regression"
    return _ADDRESSES[kind].format(subject) if kind in _ADDRESSES else None
