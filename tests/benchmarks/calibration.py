"""How often intervals hold the truth: tables of docs/numerics.md.

    OMP_NUM_THREADS=1 python tests/benchmarks/calibration.py [--trials 16] [--families log_linear,saturating]
    OMP_NUM_THREADS=1 python tests/benchmarks/calibration.py --better [--trials 10] [--families auto]
    OMP_NUM_THREADS=1 python tests/benchmarks/calibration.py --scale

A trial draws a truth (log-linear or of diminishing returns, five metrics), a reference and a Dirichlet swarm, adds
normal noise of a share of each metric's spread, fits, solves, and resamples a hundred times. What should be 0.90:

    weights   domains whose weight at the true optimum lies in their interval
    decided   metrics whose value, in a run of the decided mix, lies in the lock's interval
    unseen    metrics whose value, in runs of new mixtures, lies in the interval that `fit` gives
    regret    trials whose decided mix is above the true optimum by less than the ninth tenth of resampled regrets

`width` is the mean width of the intervals of weights, `off` the mean distance of weights from the true ones.

`--better` asks how often a mix is better than natural, and than the mix decided from the first two thirds of the runs,
against how often resamples say so; noise is up to one and a half times what mixtures do. `--scale` times the bootstrap
of 832 runs, 64 domains and 52 metrics.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, fields, replace

import numpy as np

from olmixctl.methods.laws import Fitted, best_from
from olmixctl.methods.olmix import GUIDE
from olmixctl.methods.problem import is_convex
from olmixctl.methods.resample import mixture_draws, resample
from olmixctl.methods.uncertainty import NATURAL, PREVIOUS, THIS, uncertainty_under
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve.exact import optimum
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem
from olmixctl.solve.program import objective_at
from olmixctl.surrogate import FAMILIES, Evidence
from olmixctl.surrogate.choice import choose
from olmixctl.surrogate.intervals import Intervals
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.swarm.dirichlet import draw_swarm
from olmixctl.swarm.model import SwarmProblem

METRICS = tuple(f"m{m}" for m in range(5))
# Domains, runs over (domains + 1), noise over the spread of each metric.
SIZES = ((6, 1.5, 0.1), (6, 3.0, 0.05), (6, 3.0, 0.3), (12, 1.5, 0.1), (12, 3.0, 0.1), (12, 3.0, 0.3), (24, 3.0, 0.1))
BETTER_SIZES = ((6, 1.5), (6, 3.0), (12, 1.5), (12, 3.0))
BETTER_NOISES = (0.3, 0.75, 1.5)


@dataclass(frozen=True)
class Trial:
    """What one trial found; shares of what was asked."""

    weights: float
    decided: float
    unseen: float
    regret: float
    width: float
    off: float


def truth_of(kind: str, rng: np.random.Generator, names: tuple[str, ...], metrics: tuple[str, ...] = METRICS):
    """True laws: log-linear ones, or saturating ones, 0.9 to 3 bits per byte."""
    laws = []
    for metric in metrics:
        offset = float(rng.uniform(0.4, 0.9))
        if kind == "log_linear":
            slopes = dict(zip(names, rng.normal(-0.3, 0.6, len(names)).tolist(), strict=True))
            laws.append(ConvexMetric(name=metric, offset=offset, coefficients=slopes))
            continue
        slopes, scales = rng.exponential(0.15, len(names)), np.exp(rng.normal(np.log(0.03), 0.8, len(names)))
        pairs = zip(slopes.tolist(), scales.tolist(), strict=True)
        laws.append(
            ConvexMetric(
                name=metric, offset=offset, coefficients={}, level=0.8, returns=dict(zip(names, pairs, strict=True))
            )
        )
    return tuple(laws)


def values_of(laws, weights_NC, names):
    return np.array([[law.value(dict(zip(names, row, strict=True))) for law in laws] for row in weights_NC.tolist()])


def swarm_of(names: tuple[str, ...], reference, runs: int, seed: int):
    """Mixtures of the product's own swarm: R × C."""
    problem = SwarmProblem(
        coordinates=Coordinates(names), prior=dict(reference), count=runs, seed=seed, limits=dict.fromkeys(names, 1.0)
    )
    return np.array([[mix[name] / 1e6 for name in names] for mix in draw_swarm(problem)])


def evidence_of(names, weights_RC, losses_RM, metrics=METRICS) -> Evidence:
    runs = tuple(f"r{i:04}" for i in range(len(weights_RC)))
    return Evidence(runs=runs, coordinates=names, metrics=metrics, weights_RC=weights_RC, losses_RM=losses_RM)


def problem_of(names, reference) -> MixProblem:
    """Every domain at most four times its reference."""
    rows = tuple(
        LinearBound(name=f"max:{name}", coefficients={name: 1.0}, upper=4 * share)
        for name, share in reference.items()
        if 4 * share < 1
    )
    return MixProblem(
        coordinates=Coordinates(names),
        reference=reference,
        kl=0.05,
        metric_weights=dict.fromkeys(METRICS, 1.0),
        rows=rows,
    )


def fitted_of(family: str, evidence: Evidence) -> Fitted:
    family = choose(evidence).family.name if family == "auto" else family
    fit = FAMILIES[family].fit(evidence)
    guide = None if is_convex(fit) else FAMILIES[GUIDE].fit(evidence)
    return Fitted(family=family, reason="", evidence=evidence, fit=fit, guide=guide)


def trial(kind: str, family: str, size: tuple[int, float, float], seed: int, draws: int = 100) -> Trial:
    domains, ratio, noise = size
    rng = np.random.default_rng((seed, domains, int(100 * noise)))
    names = tuple(f"d{j:02}" for j in range(domains))
    reference = Mixture.normalised(dict(zip(names, rng.dirichlet(np.full(domains, 2.0)).tolist(), strict=True)))
    laws, problem = truth_of(kind, rng, names), problem_of(names, reference)
    weights_RC = swarm_of(names, reference, round(ratio * (domains + 1)), seed)
    exact_RM = values_of(laws, weights_RC, names)
    deviation_M = noise * exact_RM.std(axis=0)
    evidence = evidence_of(names, weights_RC, exact_RM + rng.normal(0, 1, exact_RM.shape) * deviation_M)
    fitted = fitted_of(family, evidence)
    best, this = optimum(problem, laws), best_from(problem, fitted, []).point
    found = uncertainty_under(
        fitted, lambda _: problem, mixture_draws(evidence, 0, range(draws)), {THIS: this, NATURAL: dict(reference)},
        measured=(evidence.weights_RC, evidence.losses_RM),
    )  # fmt: skip
    lows, highs = (np.array([float(found.weights[name][end]) for name in names]) for end in (0, 1))
    truth_C = np.array([best.point[name] for name in names])
    run_M = values_of(laws, np.array([[this[name] for name in names]]), names)[0] + rng.normal(0, 1, 5) * deviation_M
    ends = np.array([[float(end) for end in found.metrics[metric]] for metric in METRICS])
    new_NC = swarm_of(names, reference, 30, seed + 100_000)
    new_NM = values_of(laws, new_NC, names) + rng.normal(0, 1, (len(new_NC), 5)) * deviation_M
    said = Intervals.of(evidence, fitted.held).predict(fitted.fit, new_NC)
    regret = objective_at(problem, laws, this) - best.objective
    return Trial(
        weights=float(((lows - 1e-5 <= truth_C) & (truth_C <= highs + 1e-5)).mean()),
        decided=float(((ends[:, 0] <= run_M) & (run_M <= ends[:, 1])).mean()),
        unseen=float(((said.low_NT[:, :-1] <= new_NM) & (new_NM <= said.high_NT[:, :-1])).mean()),
        regret=float(regret <= np.percentile(found.resampled.regrets(THIS), 90)),
        width=float((highs - lows).mean()),
        off=float(np.abs(truth_C - np.array([this[name] for name in names])).mean()),
    )


def table(trials: int, families: list[str], kinds: list[str]) -> None:
    names = [field.name for field in fields(Trial)]
    print(f"| truth | law | domains | runs/(domains + 1) | noise | {' | '.join(names)} | s a trial |")
    print("|---" * (6 + len(names)) + "|")
    for kind in kinds:
        for family in families:
            for size in SIZES:
                start = time.process_time()
                found = [trial(kind, family, size, 1000 + number) for number in range(trials)]
                seconds = (time.process_time() - start) / trials
                means = [float(np.mean([getattr(one, name) for one in found])) for name in names]
                shown = " | ".join([f"{value:.2f}" for value in means[:4]] + [f"{value:.3f}" for value in means[4:]])
                print(
                    f"| {kind} | {family} | {size[0]} | {size[1]:g} | {size[2]:g} | {shown} | {seconds:.2f} |",
                    flush=True,
                )


def better(kind: str, family: str, size: tuple[int, float, float], seed: int, draws: int = 100):
    """What resamples say of this mix against natural and the previous one, and whether it is so: two pairs."""
    domains, ratio, noise = size
    rng = np.random.default_rng((seed, domains, int(100 * noise), 1))
    names = tuple(f"d{j:02}" for j in range(domains))
    reference = Mixture.normalised(dict(zip(names, rng.dirichlet(np.full(domains, 2.0)).tolist(), strict=True)))
    # So much noise would make losses near one negative.
    laws = tuple(replace(law, offset=law.offset + 3.0) for law in truth_of(kind, rng, names))
    problem = problem_of(names, reference)
    weights_RC = swarm_of(names, reference, round(ratio * (domains + 1)), seed)
    exact_RM = values_of(laws, weights_RC, names)
    losses_RM = exact_RM + rng.normal(0, 1, exact_RM.shape) * noise * exact_RM.std(axis=0)
    first = round(0.65 * len(weights_RC))
    before = fitted_of(family, evidence_of(names, weights_RC[:first], losses_RM[:first]))
    evidence = evidence_of(names, weights_RC, losses_RM)
    fitted = fitted_of(family, evidence)
    mixes = {
        THIS: best_from(problem, fitted, []).point,
        NATURAL: dict(reference),
        PREVIOUS: best_from(problem, before, []).point,
    }
    found = uncertainty_under(
        fitted, lambda _: problem, mixture_draws(evidence, 0, range(draws)), mixes, measured=(weights_RC, losses_RM)
    )
    rows_JC = np.array([[mix[name] for name in names] for mix in mixes.values()])
    this, natural, previous = values_of(laws, rows_JC, names).mean(axis=1)
    said = found.confidence
    return (said.better_than_natural, this < natural), (said.better_than_previous, this < previous)


def better_table(trials: int, families: list[str], kinds: list[str]) -> None:
    """Said and so, by kind of truth and noise; and of what was said with 0.9 and more, how much was so."""
    columns = " | ".join(f"{mix}: said | so | 0.9 and more | of these so" for mix in (NATURAL, PREVIOUS))
    print(f"| truth | law | noise | {columns} |")
    print("|---" * 11 + "|")
    for kind in kinds:
        for family in families:
            for noise in BETTER_NOISES:
                found = [
                    better(kind, family, (*size, noise), 5000 + number)
                    for size in BETTER_SIZES
                    for number in range(trials)
                ]
                cells = []
                for pairs in zip(*found, strict=True):
                    said_N, so_N = np.array([[float(said), so] for said, so in pairs if said is not None]).T
                    sure_N = said_N >= 0.9
                    right = f"{so_N[sure_N].mean():.2f}" if sure_N.any() else "–"
                    cells += [f"{said_N.mean():.2f}", f"{so_N.mean():.2f}", f"{sure_N.sum()} of {len(so_N)}", right]
                print(f"| {kind} | {family} | {noise} | {' | '.join(cells)} |", flush=True)


def scale(draws: int = 200) -> None:
    """The bootstrap of a large swarm, step by step."""
    rng = np.random.default_rng(0)
    names, metrics = tuple(f"d{j:02}" for j in range(64)), tuple(f"m{m:02}" for m in range(52))
    reference = Mixture.normalised(dict(zip(names, rng.dirichlet(np.full(64, 2.0)).tolist(), strict=True)))
    weights_RC = rng.dirichlet(np.full(64, 0.5), 832)
    losses_RM = values_of(truth_of("log_linear", rng, names, metrics), weights_RC, names)
    evidence = evidence_of(names, weights_RC, losses_RM + rng.normal(0, 0.01, losses_RM.shape), metrics)
    start = time.process_time()
    fitted = Fitted(family="log_linear", reason="", evidence=evidence, fit=LogLinear().fit(evidence))
    print(f"fit of 832 runs, 64 domains, 52 metrics: {time.process_time() - start:.1f} s")
    rows = tuple(
        LinearBound(name=f"max:{n}", coefficients={n: 1.0}, upper=4 * w) for n, w in reference.items() if 4 * w < 1
    )
    problem = MixProblem(
        coordinates=Coordinates(names),
        reference=reference,
        kl=0.05,
        metric_weights=dict.fromkeys(metrics, 1.0),
        rows=rows,
    )
    start = time.process_time()
    found = resample(fitted, lambda _: problem, mixture_draws(evidence, 0, range(draws)), {THIS: dict(reference)})
    seconds = time.process_time() - start
    print(f"{draws} resamples, refitted and solved again: {seconds:.1f} s of processor time, {found.failed} failed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--families", default="log_linear,saturating")
    parser.add_argument("--truths", default="log_linear,saturating")
    parser.add_argument("--better", action="store_true")
    parser.add_argument("--scale", action="store_true")
    asked = parser.parse_args()
    if asked.scale:
        scale()
    else:
        shown = better_table if asked.better else table
        shown(asked.trials, asked.families.split(","), asked.truths.split(","))
