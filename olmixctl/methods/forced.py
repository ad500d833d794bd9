"""What the bounds hold to nothing: coordinates that no mix inside them gives a share, and what to free then.

A block of kept ratios moves as one. Where its ratios break a bound on ratios, the only multiple of them that keeps the
bound is none at all: the program has a solution, and it gives the whole block no share. That is an answer to a question
nobody asked, so it is told by name, and a join frees the domain that has to move least.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from olmixctl.errors import InfeasibleError
from olmixctl.methods.problem import bounds, collapsed_reference, mix_problem
from olmixctl.mixture import Block, Coordinates
from olmixctl.plan.model import Check, Observed, Plan
from olmixctl.report.numbers import plural
from olmixctl.solve.feasible import check_feasible
from olmixctl.solve.problem import LinearBound

__all__ = ["NOTHING", "Forced", "domains_to_free", "forced", "warn_of_forced"]

NOTHING = 1e-4
"""Share below which a coordinate counts as without one; less where the reference gives it less than twice that."""

_FLOOR, _SHOWN = "least:", 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Forced:
    """A coordinate that has a share of the reference mix, and of no mix inside the bounds.

    Attributes:
        name: of the coordinate.
        bounds: names of an irreducible set of bounds that holds it there.
    """

    name: str
    bounds: tuple[str, ...]


def forced(observed: Observed, coordinates: Coordinates) -> tuple[Forced, ...]:
    """The coordinates that bounds hold to nothing, by name; none where the bounds exclude each other anyway.

    A domain whose own `max` says so is none of them: somebody wrote that under its name.
    """
    rows = {row.name: row for row in bounds(observed)}
    floors = _floors(observed, coordinates)
    found = []
    for name in coordinates.free:
        own = [row for kind in ("max", "max_repetition") if (row := rows.get(f"{kind}:{name}"))]
        short = [row.name for row in own if name in floors and (row.upper or 0.0) < floors[name]]
        if short:
            del floors[name]
            found += [Forced(name=name, bounds=tuple(short))] if f"max:{name}" not in short else []
    while floors and (conflict := _conflict(observed, coordinates, floors)):
        named = [name.removeprefix(_FLOOR) for name in conflict if name.startswith(_FLOOR)]
        if not named:
            return ()
        for name in named:
            alone = conflict if len(named) == 1 else _conflict(observed, coordinates, {name: floors[name]})
            del floors[name]
            if alone:
                found.append(Forced(name=name, bounds=_without_floors(alone)))
    return tuple(sorted(found, key=lambda each: each.name))


def warn_of_forced(plan: Plan) -> Plan:
    """`plan`, with a warning for what its bounds hold to nothing: which bounds, and what stands there without a share.

    What is not solved in the plan's coordinates moves freely, so each domain is looked at by itself.
    """
    observed = plan.observed
    whole = plan.kind in ("rescale", "carry")
    space = Coordinates(tuple(observed.states)) if whole else plan.coordinates
    groups: dict[tuple[str, ...], list[str]] = {}
    for each in forced(observed, space):
        groups.setdefault(each.bounds, []).append(each.name)
    checks = (_warning(observed, space, held, names) for held, names in groups.items())
    return replace(plan, checks=(*plan.checks, *checks))


def domains_to_free(observed: Observed, coordinates: Coordinates) -> dict[str, tuple[str, ...]]:
    """Domains that leave their block so that it can have a share under the bounds, each with the bounds it stood under.

    One at a time, the one that has to move least first; another only where that alone does not do. None where nothing
    is in the way, or where the bounds exclude each other whatever is freed.
    """
    freed: dict[str, tuple[str, ...]] = {}
    if not coordinates.blocks or _conflict(observed, Coordinates(tuple(observed.states)), {}):
        return freed
    while coordinates.blocks and (conflict := _squeezed(observed, coordinates)):
        rows = [row for row in bounds(observed) if row.name in conflict]
        names = _by_least_move(observed, coordinates.blocks[0], rows)
        if not names:
            return freed
        name = next((n for n in names if not _squeezed(observed, _freeing(coordinates, n))), names[0])
        freed[name] = _without_floors(conflict)
        coordinates = _freeing(coordinates, name)
    return freed


def _floors(observed: Observed, coordinates: Coordinates) -> dict[str, float]:
    """Coordinate with a share of the reference → the least that counts as one."""
    reference = collapsed_reference(coordinates, observed.reference)
    return {name: min(NOTHING, share / 2) for name, share in reference.items() if share > 0}


def _squeezed(observed: Observed, coordinates: Coordinates) -> tuple[str, ...]:
    """Names of bounds that leave a block no share, or nothing at all; empty where they leave some."""
    blocks = {block.name for block in coordinates.blocks}
    floors = {name: least for name, least in _floors(observed, coordinates).items() if name in blocks}
    return _conflict(observed, coordinates, floors)


def _conflict(observed: Observed, coordinates: Coordinates, floors: Mapping[str, float]) -> tuple[str, ...]:
    """Names of an irreducible set of bounds and of `floors` that exclude each other; empty where none do."""
    members = coordinates.members()
    least = tuple(
        LinearBound(name=f"{_FLOOR}{name}", coefficients=dict.fromkeys(members[name], 1.0), lower=floor)
        for name, floor in floors.items()
    )
    problem = mix_problem(observed, coordinates)
    try:
        check_feasible(replace(problem, rows=(*problem.rows, *least)))
    except InfeasibleError as error:
        return error.conflict
    return ()


def _without_floors(conflict: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in conflict if not name.startswith(_FLOOR)))


def _by_least_move(observed: Observed, block: Block, rows: Iterable[LinearBound]) -> list[str]:
    """Members that `rows` are on, by how much each alone has to move until the block at its reference share keeps them.

    With ratios p̃, a block of mass m keeps c·(m p̃) ≤ u; what c·p̃ is above u/m a member with coefficient c_j makes good
    by moving by that over |c_j|, where it has as much to give.
    """
    mass = sum(observed.reference[leaf] for leaf in block.shares) or 1.0
    ratios = {leaf: float(ratio) for leaf, ratio in block.ratios().items() if ratio}
    moves: dict[str, float] = {}
    for row in rows:
        value = math.fsum(row.coefficients.get(leaf, 0.0) * ratio for leaf, ratio in ratios.items())
        over = 0.0 if row.upper is None else max(value - row.upper / mass, 0.0)
        under = 0.0 if row.lower is None else max(row.lower / mass - value, 0.0)
        for leaf in ratios.keys() & row.coefficients.keys():
            move = (under - over) / row.coefficients[leaf] if row.coefficients[leaf] else math.inf
            far = math.inf if move < -ratios[leaf] else abs(move)
            moves[leaf] = max(moves.get(leaf, 0.0), far)
    return sorted(moves, key=lambda leaf: (moves[leaf], leaf))


def _freeing(coordinates: Coordinates, name: str) -> Coordinates:
    """`coordinates` with `name` out of its block; a block of one is no block."""
    (block,) = coordinates.blocks
    left = {leaf: share for leaf, share in block.shares.items() if leaf != name}
    if len(left) < 2 or not any(left.values()):
        return Coordinates((*coordinates.free, *block.shares))
    return Coordinates((*coordinates.free, name), (Block(block.name, left),))


def _warning(observed: Observed, space: Coordinates, held_by: tuple[str, ...], names: list[str]) -> Check:
    members = space.members()
    leaves = sorted(leaf for name in names for leaf, ratio in members[name].items() if ratio)
    natural = sum(observed.reference[leaf] for leaf in leaves)
    more = f" and {len(leaves) - _SHOWN} more" if len(leaves) > _SHOWN else ""
    kept = [block for block in space.blocks if block.name in names]
    what = "with the kept ratios " if kept else ""
    who = f"{', '.join(leaves[:_SHOWN])}{more}"
    remedy = "loosen one of these bounds, or take out what is to have no share"
    if kept:
        free = domains_to_free(observed, space)
        remedy = f"estimate {', '.join(free) or 'some of them'} anew (--recompute), or every share (--reuse none)"
    return Check(
        level="warn",
        name="forced-zero",
        message=f"{what}{', '.join(held_by)} {'holds' if len(held_by) == 1 else 'hold'} {plural(len(leaves), 'domain')}"
        f" to 0% of the mix: {who}; the reference gives {natural:.2%}",
        remedy=remedy,
    )
