"""How far a swarm is trained: in rounds, and with a look at what is known between batches. Pure.

A swarm of K mixtures is trained in one go, unless the mix file asks for rounds or for an early stop. Its first round is
the head of the design; the mixtures of later rounds follow from what the rounds before measured, so a plan knows their
number alone. A look asks whether enough is known. It sees the runs up to a place in the planned order, whatever else is
recorded: where training ends does not depend on how often it was interrupted, or on who else trained what.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from olmixctl.fingerprint import digest
from olmixctl.ledger.model import RunRecord
from olmixctl.spec.model import StopSpec, SwarmSpec
from olmixctl.version import __version__

if TYPE_CHECKING:
    from olmixctl.plan.model import Observed, PlannedRun

__all__ = [
    "CHAIN",
    "IN_ONE_GO",
    "RESULTS",
    "Rounds",
    "chain_of",
    "is_enough",
    "results_of",
    "rounds_after",
    "rounds_of",
    "sizes",
    "with_recorded",
]

CHAIN = "chain"
"""Provenance of a run of a later round: whose rounds it belongs to (`chain_of`)."""

RESULTS = "results"
"""Provenance of a run of a later round: the results it was chosen by (`results_of`)."""

_BATCHES = 4
"""Looks divide the swarm of one round into this many batches; the first has at least one mixture a parameter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """How the runs of a plan are trained.

    Attributes:
        later: the most runs of each round after the first.
        looks: numbers of planned runs after which apply looks whether enough is known, rising; 0 is before any run, in
            joins alone.
        stop: what is enough; None where apply never looks.
        recorded: runs of later rounds that are in the ledger, as far as it is certain that they are chosen again.
        chain: what runs of later rounds carry in their provenance (`chain_of`); empty where there are none.
    """

    later: tuple[int, ...] = ()
    looks: tuple[int, ...] = ()
    stop: StopSpec | None = None
    recorded: int = 0
    chain: str = ""

    @property
    def more(self) -> int:
        """The most runs beyond those that a plan names."""
        return sum(self.later)

    @property
    def missing(self) -> int:
        """The most runs of later rounds that have to be trained."""
        return self.more - self.recorded

    @property
    def open(self) -> bool:
        """Which runs are trained is known only when some are."""
        return bool(self.later or self.looks)


IN_ONE_GO = Rounds()


def sizes(swarm: SwarmSpec, coordinates: int) -> tuple[int, ...]:
    """Mixtures of each round of a swarm over `coordinates` = d coordinates, ⌈runs_per_coordinate · (d + 1)⌉ together.

    The first round has at least d + 1, as many as a law has parameters: later ones rest on what it says.

    Source: Chen et al. 2026 (arXiv 2602.12237), whose error curves flatten at three runs per coordinate.
    """
    whole = math.ceil(swarm.runs_per_coordinate * (coordinates + 1))
    first = whole if swarm.rounds == 1 else min(whole, max(coordinates + 1, math.ceil(whole / swarm.rounds)))
    return (first, *_parts(whole - first, swarm.rounds - 1))


def _parts(whole: int, number: int) -> tuple[int, ...]:
    """`whole` in at most `number` parts that differ by one at most, the larger first."""
    return tuple(size for n in range(number) if (size := whole // number + (n < whole % number)))


def rounds_of(observed: Observed, coordinates: int, runs: Sequence[PlannedRun]) -> Rounds:
    """How the swarm that begins with `runs` is trained.

    Args:
        observed: the mix file.
        coordinates: d.
        runs: of the first round, in the planned order.
    """
    swarm, repeats = observed.spec.swarm, observed.spec.proxy.repeats
    first, *rest = sizes(swarm, coordinates)
    # Where the proxy's data leaves fewer mixtures than the first round asks for, no other one is left.
    later = tuple(size * repeats for size in rest) if len(runs) >= first * repeats else ()
    if swarm.stop is None:
        return Rounds(later=later)
    if swarm.rounds > 1:
        return Rounds(later=later, looks=(len(runs),) if later else (), stop=swarm.stop)
    return Rounds(looks=_quarters(len(runs), coordinates + 1, repeats), stop=swarm.stop)


def rounds_after(observed: Observed, coordinates: int, *, known: int, runs: int, left: int) -> Rounds:
    """How what is left of a swarm is trained, where recorded runs stand for its beginning.

    With as many of them as a law has parameters, apply looks before any run is trained.

    Args:
        observed: the mix file.
        coordinates: d.
        known: recorded runs that are evidence.
        runs: that the design adds to them, trained first.
        left: runs of the swarm beyond both: those of later rounds.
    """
    swarm, repeats = observed.spec.swarm, observed.spec.proxy.repeats
    later = tuple(size * repeats for size in _parts(math.ceil(left / repeats), swarm.rounds - 1))
    if swarm.stop is None:
        return Rounds(later=later)
    parameters = (coordinates + 1) * repeats
    before = {0} if known >= parameters and (runs or later) else set()
    between = ((runs,) if later else ()) if swarm.rounds > 1 else _quarters(runs, coordinates + 1, repeats, known)
    return Rounds(later=later, looks=tuple(sorted({*before, *between})), stop=swarm.stop)


def _quarters(runs: int, parameters: int, repeats: int, known: int = 0) -> tuple[int, ...]:
    """Looks at a swarm of one round: after one mixture a parameter, `known` runs included, then at half and three
    quarters of `runs`.
    """
    mixtures = runs // repeats
    least = max(parameters - known // repeats, math.ceil(mixtures / _BATCHES))
    quarters = {max(least, math.ceil(mixtures * part / _BATCHES)) for part in range(1, _BATCHES)}
    return tuple(sorted(number * repeats for number in quarters if number < mixtures))


def chain_of(observed: Observed, runs: Sequence[PlannedRun], joined: Sequence[str] = ()) -> str:
    """What the later rounds after `runs` follow from, apart from what is measured: they carry it in their provenance.

    So an apply that was interrupted tells them from older evidence, and chooses the same ones again. When to stop is
    not in it: with another limit the same rounds go on.

    Args:
        observed: the present.
        runs: of the first round, as designed.
        joined: digests of the locks that the rounds join, sorted; none but in a join of two branches.
    """
    inputs = dict(observed.inputs)
    inputs["swarm"] = _without_stop(inputs.get("swarm", {}))
    said = {"inputs": inputs, "runs": [run.key for run in runs]}
    return digest(said | ({"joined": list(joined)} if joined else {}), prefix="chain1")


def results_of(keys: Iterable[str], records: Mapping[str, RunRecord]) -> str:
    """What the next round follows from: the results of the runs before it, and the release that chose by them.

    Args:
        keys: all recorded runs it rests on, in any order.
        records: the ledger.
    """
    found = [[key, records[key].status, dict(records[key].metrics)] for key in sorted(set(keys))]
    return digest({"olmixctl": __version__, "results": found}, prefix="results1")


def with_recorded(rounds: Rounds, chain: str, keys: Iterable[str], records: Mapping[str, RunRecord]) -> Rounds:
    """`rounds` with their chain and the recorded runs that will be chosen again: a plan need not ask the method for it.

    Counted are rounds whose runs were chosen by the results that stand now, up to the first that is not whole. After a
    run that was trained again others may follow, so what rests on its former result is not promised.

    Args:
        rounds: how the swarm is trained.
        chain: of the swarm (`chain_of`).
        keys: the runs of its first round, and the older evidence.
        records: the ledger.
    """
    if not rounds.later:
        return rounds
    mine = {k: r.provenance.get(RESULTS) for k, r in records.items() if r.provenance.get(CHAIN) == chain}
    known, count = list(keys), 0
    for size in rounds.later:
        if not mine or not set(known) <= records.keys():
            break
        results = results_of(known, records)
        found = sorted(key for key, chosen_by in mine.items() if chosen_by == results)[:size]
        count += len(found)
        if len(found) < size:
            break
        known += found
    return replace(rounds, recorded=count, chain=chain)


def is_enough(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the swarm of a lock is all that another `swarm` section asks for: as many mixtures, no stricter stop.

    Args:
        before: canonical section of the lock.
        after: canonical section of the mix file.
    """
    if _without_stop(before) != _without_stop(after):
        return False
    was, now = before.get("stop"), after.get("stop")
    if was is None:
        return True
    return now is not None and now["regret"] >= was["regret"] and now["confidence"] <= was["confidence"]


def _without_stop(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name != "stop"}
