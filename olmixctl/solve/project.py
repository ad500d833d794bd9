"""The mix inside the bounds that is nearest to a given one: min KL(p ‖ p̃).

Used where no run is trained but a bound would break, as when a removal is renormalised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve.certificate import EXACT_TOLERANCE, certify_program
from olmixctl.solve.exact import SolveError
from olmixctl.solve.feasible import check_program, with_room
from olmixctl.solve.interior import minimise
from olmixctl.solve.problem import LinearBound, MixProblem
from olmixctl.solve.program import build

__all__ = ["project"]


def project(
    mix: Mapping[str, float], rows: Iterable[LinearBound], *, coordinates: Coordinates | None = None
) -> Mixture:
    """The KL projection of `mix` (over leaves) on the bounds, over leaves; domains at zero stay at zero.

    With `coordinates`, blocks move as one.

    Raises:
        InfeasibleError: the bounds leave no mix.
        SolveError: the projection cannot be proven optimal.
    """
    space = coordinates or Coordinates(tuple(mix))
    problem = MixProblem(
        coordinates=space, reference=Mixture.normalised(mix), kl=1.0, metric_weights={}, rows=tuple(rows)
    )
    program = build(problem, ())
    check_program(program, problem)
    found = minimise(with_room(program))
    point = program.point(found.x_C)
    certificate = certify_program(program, point, found, tolerance=EXACT_TOLERANCE)
    if not certificate.ok:
        raise SolveError(f"the projection cannot be proven optimal: gap {certificate.gap:.2g}")
    return space.expand(Mixture.normalised(point))
