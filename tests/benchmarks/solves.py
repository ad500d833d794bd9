"""What a solve costs, and how many random problems with bent guardrails are solved, squeezed ones too.

    OMP_NUM_THREADS=1 python tests/benchmarks/solves.py [PROBLEMS]

Laws are made: straight ones with slopes of deviation 0.5, bent ones with slopes of exp(−1.5 ± 1.3) and scales of
0.02 · exp(±1.5), the priors of the family. Half of the metrics have a guardrail a five-hundredth of a bit above their
value at the reference; all domains have caps of twice their reference share. Times are of the processor, one core, the
least of five. *Squeezed*: all guardrails of a problem of the solver's tests are lowered together until a mix is just
left, and raised by 0, 1e-8 … 1e-4 bits. *Ratios*: of some of five domains to others, from 0.003 to 300, fixed, or held
between two numbers that differ by 1e-8 … 1e-4 of themselves; three times PROBLEMS.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "solve"))

import numpy as np
from conftest import Case, draw_bent

from olmixctl.errors import InfeasibleError
from olmixctl.methods.problem import _ratio_rows
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve import (
    Certificate,
    ConvexMetric,
    MixProblem,
    SolveError,
    WorstCase,
    cap_rows,
    certify,
    check_feasible,
    optimum,
    quick_optimum,
    round_solution,
    solve,
)
from olmixctl.solve.many import optima
from olmixctl.spec.model import MixSpec, RatioSpec

_SIZES = ((17, 13), (64, 52))
_WIDER = (0.0, 1e-8, 1e-7, 1e-6, 1e-4)
_HALVINGS = 40


def made(size: tuple[int, int], *, bent: bool, rails: bool = False, worst: bool = False, seed: int = 0) -> Case:
    """A problem of so many coordinates and metrics."""
    rng = np.random.default_rng(seed)
    names = [f"d{i:02}" for i in range(size[0])]
    reference = Mixture.normalised(dict(zip(names, rng.dirichlet(np.full(len(names), 0.7)) + 1e-4, strict=True)))
    laws = tuple(_law(f"m{k:02}", names, rng, bent=bent) for k in range(size[1]))
    at = {law.name: law.value(reference) for law in laws}
    families = tuple(WorstCase(name=name, weights={name: 1.0}, baseline=value) for name, value in at.items())
    problem = MixProblem(
        coordinates=Coordinates(tuple(names)),
        reference=reference,
        kl=0.05,
        metric_weights=dict.fromkeys(at, 1.0),
        rows=cap_rows({name: int(share * 10**12) for name, share in reference.items()}, 2 * 10**12, 4),
        guardrails=tuple((name, value + 0.002) for name, value in list(at.items())[: size[1] // 2] if rails),
        worst_case=families if worst else (),
    )
    return Case(problem, laws, reference)


def _law(name: str, names: list[str], rng: np.random.Generator, *, bent: bool) -> ConvexMetric:
    slopes, scales = np.exp(rng.normal(-1.5, 1.3, len(names))), 0.02 * np.exp(rng.normal(0, 1.5, len(names)))
    straight = rng.normal(0, 0.5, len(names)).tolist()
    return ConvexMetric(
        name=name,
        offset=float(rng.uniform(0.2, 0.9)),
        coefficients=dict.fromkeys(names, 0.0) if bent else dict(zip(names, straight, strict=True)),
        returns=dict(zip(names, zip(slopes.tolist(), scales.tolist(), strict=True), strict=True)) if bent else {},
    )


def milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def costs() -> None:
    print("coordinates × metrics, laws: quick_optimum, optimum, solve; each of 100 by optima [ms]")
    for size in _SIZES:
        for words in ({"bent": False}, {"bent": True}, {"bent": True, "rails": True}, {"bent": True, "worst": True}):
            name = ", ".join(word for word, on in words.items() if on) or "straight"
            print(f"{size[0]} × {size[1]}, {name}: {cost(made(size, **words, seed=2))}")


def cost(case: Case) -> str:
    each = [milliseconds(partial(f, case.problem, case.metrics)) for f in (quick_optimum, optimum, solve)]
    many = milliseconds(lambda: optima([case.problem], [case.metrics] * 100)) / 100
    return f"{each[0]:.1f}, {each[1]:.1f}, {each[2]:.0f}; {many:.1f}"


def lowered(problem: MixProblem, by: float) -> MixProblem:
    return replace(problem, guardrails=tuple((name, limit - by) for name, limit in problem.guardrails))


def feasible(case: Case, by: float) -> bool:
    try:
        check_feasible(lowered(case.problem, by), case.metrics)
    except InfeasibleError:
        return False
    return True


def lowest(case: Case) -> float:
    low, high = -1.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if feasible(case, middle) else (low, middle)
    return low


def solved(problem: MixProblem, case: Case) -> tuple[bool, float]:
    """Whether it is solved, and the gap that is proven once it is rounded; zero where no millionths are left."""
    try:
        found = optimum(problem, case.metrics)
    except SolveError:
        return False, 0.0
    try:
        rounded = round_solution(problem, found.point)
    except InfeasibleError:
        return True, 0.0
    certificate = certify(problem, case.metrics, rounded.coordinates.as_mixture())
    return certificate.ok, certificate.gap


def problems(count: int) -> None:
    plain, squeezed = [], []
    for seed in range(count):
        for worst in (False, True):
            case = draw_bent(seed, worst=worst, domains=(3, 6, 12)[seed % 3], rails=4)
            plain.append(solved(case.problem, case))
            least = lowest(case) if seed < count // 5 else None
            squeezed += [] if least is None else [solved(lowered(case.problem, least - w), case) for w in _WIDER]
    for name, found in (("random", plain), ("squeezed", squeezed)):
        refused, gap = sum(not ok for ok, _ in found), max((gap for _, gap in found), default=0.0)
        print(f"{name}: {len(found)} problems, {refused} refused, largest gap once rounded {gap:.1e}")


def ratio_of(seed: int) -> tuple[bool, MixProblem, tuple[ConvexMetric, ...]]:
    """Whether it is fixed, and a problem with a ratio that is held from both sides."""
    rng = np.random.default_rng((seed, 7))
    names = [str(name) for name in rng.permutation(list("abcde"))]
    laws = tuple(
        ConvexMetric(
            name=f"m{m}", offset=0.5, coefficients=dict(zip("abcde", rng.uniform(-2, 0.5, 5).tolist(), strict=True))
        )
        for m in range(2)
    )
    cut, wide, digits, fixed = (int(rng.integers(*ends)) for ends in ((1, 4), (1, 3), (1, 9), (0, 2)))
    low = max(round(float(10 ** rng.uniform(-2.5, 2.5)), digits), 0.1**digits)
    high = low if fixed else round(low * (1 + float(10 ** rng.uniform(-8, -4))), 10)
    ratio = RatioSpec(name="r", of=tuple(names[:cut]), to=tuple(names[cut : cut + wide]), min=low, max=high)
    spec = MixSpec(name="m", target=None, domains=(), evals=(), proxy=None, ratios=(ratio,))
    problem = MixProblem(
        coordinates=Coordinates(tuple("abcde")),
        reference=Mixture.normalised(dict(zip("abcde", rng.dirichlet(np.ones(5)).tolist(), strict=True))),
        kl=float(rng.choice([0.0, 0.05, 0.3, 1.0])),
        metric_weights={"m0": 1.0, "m1": 2.0},
        rows=tuple(_ratio_rows(spec)),
    )
    return low == high, problem, laws


def ratios(count: int) -> None:
    found: dict[bool, list[Certificate | None]] = {True: [], False: []}
    for seed in range(count):
        fixed, problem, laws = ratio_of(seed)
        try:
            rounded = round_solution(problem, optimum(problem, laws).point, laws)
        except InfeasibleError:
            found[fixed].append(None)
            continue
        found[fixed].append(certify(problem, laws, rounded.coordinates.as_mixture()))
    for fixed, each in found.items():
        known = [one for one in each if one is not None]
        print(
            f"ratios {'fixed' if fixed else 'almost fixed'}: {len(each)} problems, {len(each) - len(known)} without "
            f"millionths near, {sum(not one.ok for one in known)} refused, {sum(one.forced > 0 for one in known)} "
            f"above the tolerance by what millionths force, largest gap {max(one.gap for one in known):.1e}"
        )


if __name__ == "__main__":
    costs()
    ratios(3 * (int(sys.argv[1]) if len(sys.argv) > 1 else 200))
    problems(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
