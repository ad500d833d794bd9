"""A lock without a run: carried-over shares, put under the bounds."""

from __future__ import annotations

from collections.abc import Iterable

from olmixctl.errors import InfeasibleError
from olmixctl.methods.problem import bounds, breaks, mix_problem
from olmixctl.mixture import Coordinates, GridMixture, Mixture
from olmixctl.plan.model import Observed
from olmixctl.solve.problem import LinearBound
from olmixctl.solve.project import project
from olmixctl.solve.round import round_solution

__all__ = ["carried_weights"]


def carried_weights(observed: Observed, coordinates: Coordinates, mix: Mixture) -> tuple[GridMixture, bool]:
    """The carried mix on the grid under every bound; True when a bound moved the ratios of unaffected domains.

    A mix that breaks a bound moves to the nearest one inside (KL projection): first with the unaffected domains as one,
    and domain by domain where that leaves no mix.

    Raises:
        InfeasibleError: the bounds exclude each other.
    """
    rows = bounds(observed)
    space = coordinates if coordinates.collapse(mix) is not None else Coordinates(tuple(mix))
    inside = mix
    if not _keeps(rows, mix):
        try:
            inside = project(mix, rows, coordinates=space)
        except InfeasibleError:
            space = Coordinates(tuple(mix))
            inside = project(mix, rows)
    problem = mix_problem(observed, space)
    point = {name: sum(inside[leaf] for leaf in leaves) for name, leaves in space.members().items()}
    return round_solution(problem, point).leaves, space is not coordinates


def _keeps(rows: Iterable[LinearBound], mix: Mixture) -> bool:
    """Whether the mix stands inside every bound as it is; rounding must not be what brings it there."""
    return not any(breaks(row, mix) for row in rows)
