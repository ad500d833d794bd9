"""Swarms that are too small: for a mix to be told from them, or for what the mix file asks of how they are trained.

A run that diverged measured nothing, so what is left of a swarm can be too small as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from olmixctl.errors import IncompleteError
from olmixctl.ledger.model import RunRecord
from olmixctl.mixture import GRID, Coordinates
from olmixctl.plan.evidence import Recorded, evidence_weights
from olmixctl.plan.model import Check, Observed
from olmixctl.plan.rounds import sizes
from olmixctl.plan.strategies import Decision

__all__ = ["check_left", "check_tells", "small_swarm_checks"]

_NOTHING = "one mixture, which says nothing of what another one would measure"


def check_tells(observed: Observed, decision: Decision, recorded: Recorded) -> None:
    """That the runs of a decision, with what is recorded, are of several mixtures: nothing follows from one.

    Where there is one coordinate there is one mixture, and nothing to tell. Where the first round diverged, later ones
    bring other mixtures.

    Raises:
        IncompleteError: they are all of one mixture; or those are which did not diverge.
    """
    coordinates = decision.route.coordinates
    if decision.route.kind != "train" or len(coordinates.names) < 2 or not decision.runs:
        return
    known = recorded.within(coordinates) if decision.extra else {}
    beside = {_grid(known[key]) for key in decision.extra if key in known}
    if len(beside | {_grid(run.point.as_mixture()) for run in decision.runs}) > 1:
        if not decision.rounds.later:
            _check_undiverged(decision, recorded, beside)
        return
    if sum(sizes(observed.spec.swarm, len(coordinates.names))) > 1:
        remedy = "the proxy's data leaves no other: add data, lower proxy.tokens, or raise target.max_repetition"
    else:
        remedy = (
            "raise swarm.runs_per_coordinate: 1 trains as many mixtures as a law has parameters, and 3 is what is usual"
        )
    raise IncompleteError(f"this swarm is {_NOTHING}", remedy=remedy)


def _check_undiverged(decision: Decision, recorded: Recorded, beside: Collection[object]) -> None:
    """That the runs of a decision which diverged leave several mixtures; those that are missing may measure theirs."""
    runs = {run.key: _grid(run.point.as_mixture()) for run in decision.runs}
    diverged = {run.key for run in decision.runs if run.recorded and recorded.records[run.key].status == "diverged"}
    left = {*beside, *(point for key, point in runs.items() if key not in diverged)}
    if diverged and len(left) < 2:
        raise _diverged(len(diverged), len(runs), len(left))


def check_left(
    observed: Observed, coordinates: Coordinates, keys: Sequence[str], records: Mapping[str, RunRecord]
) -> None:
    """That the runs `keys` measured several mixtures, once all of them ended.

    Where there is one coordinate, or no run at all is recorded, there is nothing to say here.

    Raises:
        IncompleteError: they measured one mixture, or none.
    """
    found = [records[key] for key in keys if key in records]
    diverged = sum(record.status == "diverged" for record in found)
    points = filter(None, (evidence_weights(observed, coordinates, record) for record in found))
    mixtures = len({_grid(point) for point in points})
    if mixtures > 1 or (mixtures and len(coordinates.names) < 2):
        return
    if diverged:
        raise _diverged(diverged, len(found), mixtures)
    if mixtures:
        raise IncompleteError(f"the recorded runs are {_NOTHING}", remedy="train the planned runs: olmixctl apply")


def _diverged(diverged: int, runs: int, mixtures: int) -> IncompleteError:
    lost = f"all {runs} runs diverged" if diverged == runs > 1 else f"{diverged} of {runs} runs diverged"
    return IncompleteError(
        f"{lost}, and what is left is {_NOTHING}" if mixtures else f"{lost}, so nothing was measured",
        remedy="train with another proxy (proxy.model, proxy.batch_size, proxy.seed); `olmixctl runs list` shows the "
        "runs, and `olmixctl runs taint RUN` has one trained again",
    )


def small_swarm_checks(observed: Observed, decision: Decision) -> Iterator[Check]:
    """Warn where `rounds` or `stop` is asked for and the swarm leaves no room for it."""
    swarm, rounds = observed.spec.swarm, decision.rounds
    if decision.route.kind != "train":
        return
    mixtures = len(decision.runs) // observed.spec.proxy.repeats
    whole = "the only mixture is" if mixtures == 1 else f"all {mixtures} mixtures are"
    remedy = "raise swarm.runs_per_coordinate, or leave it out"
    if swarm.rounds > 1 and not rounds.later:
        yield Check(
            level="warn",
            name="swarm-rounds",
            message=f"swarm.rounds: {swarm.rounds} cannot apply: {whole} the first round",
            remedy=remedy,
        )
    if swarm.stop is not None and not rounds.looks:
        least = len(decision.route.coordinates.names) + 1
        yield Check(
            level="warn",
            name="swarm-stop",
            message=f"swarm.stop cannot apply: a look needs {least} mixtures, and some left to save; there "
            f"{'is' if mixtures == 1 else 'are'} {mixtures}",
            remedy=remedy,
        )


def _grid(point: Mapping[str, float]) -> tuple[tuple[str, int], ...]:
    """A mixture in millionths, so that one is known again whatever it was computed from."""
    return tuple((name, round(point[name] * GRID)) for name in sorted(point))
