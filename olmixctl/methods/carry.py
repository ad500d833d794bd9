"""A lock without a run: carried-over shares, put under the bounds."""

from __future__ import annotations

from olmixctl.errors import InfeasibleError
from olmixctl.methods.problem import bounds, broken_rows, mix_problem
from olmixctl.mixture import Coordinates, GridMixture, Mixture
from olmixctl.plan.model import Observed
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
    whole = coordinates.collapse(mix)
    space = coordinates if whole is not None else Coordinates(tuple(mix))
    weights = _rounded(observed, space, mix)
    if weights is not None and not broken_rows(bounds(observed), weights):
        return weights, space is not coordinates
    try:
        inside = project(mix, bounds(observed), coordinates=space)
    except InfeasibleError:
        space = Coordinates(tuple(mix))
        inside = project(mix, bounds(observed))
    found = _rounded(observed, space, inside)
    assert found is not None, "a mix inside the bounds has a neighbour on the grid"
    return found, space is not coordinates


def _rounded(observed: Observed, space: Coordinates, mix: Mixture) -> GridMixture | None:
    point = {name: sum(mix[leaf] for leaf in leaves) for name, leaves in space.members().items()}
    try:
        return round_solution(mix_problem(observed, space), point).leaves
    except InfeasibleError:
        return None
