"""Swarms that are too small: for a mix to be told from them, or for what the mix file asks of how they are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from olmixctl.errors import IncompleteError
from olmixctl.mixture import GRID
from olmixctl.plan.evidence import Recorded
from olmixctl.plan.model import Check, Observed
from olmixctl.plan.rounds import sizes
from olmixctl.plan.strategies import Decision

__all__ = ["check_tells", "small_swarm_checks"]


def check_tells(observed: Observed, decision: Decision, recorded: Recorded) -> None:
    """That the runs of a decision, with what is recorded, are of several mixtures: nothing follows from one.

    Where there is one coordinate there is one mixture, and nothing to tell.

    Raises:
        IncompleteError: they are all of one mixture.
    """
    coordinates = decision.route.coordinates
    if decision.route.kind != "train" or len(coordinates.names) < 2 or not decision.runs:
        return
    known = recorded.within(coordinates) if decision.extra else {}
    found = {_grid(run.point.as_mixture()) for run in decision.runs}
    if len(found | {_grid(known[key]) for key in decision.extra if key in known}) > 1:
        return
    if sum(sizes(observed.spec.swarm, len(coordinates.names))) > 1:
        remedy = "the proxy's data leaves no other: add data, lower proxy.tokens, or raise target.max_repetition"
    else:
        remedy = (
            "raise swarm.runs_per_coordinate: 1 trains as many mixtures as a law has parameters, and 3 is what is usual"
        )
    raise IncompleteError(
        "this swarm is one mixture, which says nothing of what another one would measure", remedy=remedy
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
