"""How well and how fast every family fits, on a published swarm and on a large made one: tables of docs/numerics.md.

    OMP_NUM_THREADS=1 python tests/benchmarks/surrogates.py FOLDER [--runs 34,51,85,…] [--draws 5] [--families A,B]

FOLDER holds the four tables of RegMix's proxy runs (sail-sg/regmix, MIT licence): train and test, mixtures and losses
of 1M models. They are not part of this repository. Rows are joined on `index` and renormalised, since the weights were
published to three decimals. Draws are `numpy.random.default_rng(draw).choice(512, runs, replace=False)` of the training
runs in the order of their index, draw 0 … 4 (one where all are taken); everything is judged on the 256 test runs.
Regret is the measured average loss of the test run predicted to be best, less that of the one that is; coverage, the
share of test runs inside their 90 % interval.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from olmixctl.fitting import read_evidence
from olmixctl.surrogate import FAMILIES, Evidence
from olmixctl.surrogate.choice import best_of
from olmixctl.surrogate.intervals import Intervals, with_mean
from olmixctl.surrogate.log_linear import LogLinear, _Data, _starts
from olmixctl.surrogate.newton import refine
from olmixctl.surrogate.registry import COMPARED
from olmixctl.surrogate.validation import hold_out, rank_correlation, score

Array = NDArray[np.float64]
_HUBER = 0.02  # absolute, far below the residuals: nearly least absolute errors, which is hard to minimise


@dataclass(frozen=True)
class Row:
    """One fit, judged on the test runs."""

    metrics: float
    average: float
    rmse_metrics: float
    rmse_average: float
    regret: float
    covered: float
    covered_average: float
    seconds: float


def published(folder: Path, part: str) -> Evidence:
    evidence, _ = read_evidence(folder / f"{part}_mixture_1m.csv", folder / f"{part}_pile_loss_1m.csv")
    order = np.argsort([int(run) for run in evidence.runs])
    return rows_of(evidence, order)


def rows_of(evidence: Evidence, rows: NDArray[np.intp]) -> Evidence:
    return Evidence(
        runs=tuple(f"{i:04}" for i in range(len(rows))),
        coordinates=evidence.coordinates,
        metrics=evidence.metrics,
        weights_RC=evidence.weights_RC[rows],
        losses_RM=evidence.losses_RM[rows],
    )


def judge(evidence: Evidence, test: Evidence, name: str) -> tuple[Row, object]:
    """One family on one draw, and its cross-validated score."""
    family = FAMILIES[name]
    start = time.process_time()
    fit = family.fit(evidence)
    seconds = time.process_time() - start
    held = hold_out(evidence, family)
    found = Intervals.of(evidence, held).predict(fit, test.weights_RC)
    actual_NT, value_NT = with_mean(test.losses_RM), found.value_NT
    ranks = [rank_correlation(p, a) or 0.0 for p, a in zip(value_NT.T, actual_NT.T, strict=True)]
    error_T = np.sqrt(((value_NT - actual_NT) ** 2).mean(axis=0))
    inside_T = ((found.low_NT <= actual_NT) & (actual_NT <= found.high_NT)).mean(axis=0)
    row = Row(
        metrics=float(np.mean(ranks[:-1])),
        average=ranks[-1],
        rmse_metrics=float(error_T[:-1].mean()),
        rmse_average=float(error_T[-1]),
        regret=float(actual_NT[np.argmin(value_NT[:, -1]), -1] - actual_NT[:, -1].min()),
        covered=float(inside_T[:-1].mean()),
        covered_average=float(inside_T[-1]),
        seconds=seconds,
    )
    return row, score(evidence, held)


def draws_of(train: Evidence, runs: int, draws: int) -> Iterator[Evidence]:
    for draw in range(draws if runs < len(train.runs) else 1):
        yield rows_of(train, np.random.default_rng(draw).choice(len(train.runs), runs, replace=False))


def compare(folder: Path, counts: list[int], draws: int, families: list[str]) -> None:
    """The table of all families; `auto` takes in every draw the row of the family that cross-validation chose."""
    train, test = published(folder, "train"), published(folder, "test")
    names = ("runs", "family", "rank, metrics", "rank, average", "RMSE, metrics", "RMSE, average", "regret")
    print(f"| {' | '.join((*names, 'in 90 %', 'average in 90 %', 's'))} |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for runs in counts:
        rows: dict[str, list[Row]] = {}
        chosen: list[str] = []
        for evidence in draws_of(train, runs, draws):
            judged = {name: judge(evidence, test, name) for name in families}
            if set(COMPARED) <= set(families):
                chosen.append(best_of({name: judged[name][1] for name in COMPARED}, runs))
                judged["auto"] = judged[chosen[-1]]
            for name, (row, _) in judged.items():
                rows.setdefault(name, []).append(row)
        for name, found in rows.items():
            means = [float(np.mean([getattr(row, field.name) for row in found])) for field in fields(Row)]
            shown = [f"{v:.4f}" for v in means[:5]] + [f"{v:.3f}" for v in means[5:7]] + [f"{means[7]:.1f}"]
            counted = ", ".join(f"{chosen.count(n)} {n}" for n in dict.fromkeys(chosen))
            print(f"| {runs} | {f'auto ({counted})' if name == 'auto' else name} | {' | '.join(shown)} |", flush=True)


def halves(folder: Path, draws: int, families: list[str]) -> None:
    """How often the other half of the training runs lies inside its 90 % interval, metrics and average."""
    train = published(folder, "train")
    print("| family | in 90 %, metrics | in 90 %, average |\n|---|---|---|")
    for name in families:
        found = []
        for draw in range(draws):
            order = np.random.default_rng(draw).permutation(len(train.runs))
            left, right = (rows_of(train, half) for half in np.split(order, 2))
            found.append(judge(left, right, name)[0])
        metrics, average = (np.mean([getattr(row, f) for row in found]) for f in ("covered", "covered_average"))
        print(f"| {name} | {metrics:.3f} | {average:.3f} |", flush=True)


def large(family: str) -> float:
    """Seconds of processor time for 832 runs, 64 coordinates and 52 metrics."""
    rng = np.random.default_rng(0)
    weights_RC = rng.dirichlet(np.full(64, 0.3), 832)
    losses_RM = rng.uniform(0.2, 1, 52) + np.exp(weights_RC @ rng.normal(0, 0.6, (52, 64)).T)
    evidence = Evidence(
        runs=tuple(f"{i:04}" for i in range(832)),
        coordinates=tuple(f"d{j:02}" for j in range(64)),
        metrics=tuple(f"m{j:02}" for j in range(52)),
        weights_RC=weights_RC,
        losses_RM=losses_RM + rng.normal(0, 0.02, losses_RM.shape),
    )
    start = time.process_time()
    FAMILIES[family].fit(evidence)
    return time.process_time() - start


def huber_sum(at_P: Array, weights_RC: Array, losses_R: Array, delta: float) -> tuple[float, Array]:
    """Σ Huber(y − exp(log c) − exp(A·p)) and its gradient in (log c, A), the form that is published."""
    above_R = np.exp(np.minimum(weights_RC @ at_P[1:], 40.0))
    residual_R = losses_R - np.exp(at_P[0]) - above_R
    pull_R = np.clip(residual_R, -delta, delta)
    size_R = np.minimum(np.abs(residual_R), delta)
    value = float((size_R * (np.abs(residual_R) - 0.5 * size_R)).sum())
    return value, -np.concatenate([[pull_R.sum() * np.exp(at_P[0])], (pull_R * above_R) @ weights_RC])


def plain(evidence: Evidence, deltas: Array, starts: int = 20) -> tuple[Array, float]:
    """The same law by multi-start L-BFGS: the lowest sum of each metric, and seconds."""
    rng = np.random.default_rng(0)
    begun = time.process_time()
    found = []
    for losses_R, delta in zip(evidence.losses_RM.T, deltas, strict=True):
        values = []
        for _ in range(starts):
            offset = rng.uniform(0.05, 0.98) * losses_R.min()
            slopes = np.log(losses_R.mean() - offset) + rng.normal(0, 0.3, len(evidence.coordinates))
            start = np.concatenate([[np.log(offset)], slopes])
            arguments = (evidence.weights_RC, losses_R, float(delta))
            options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-13}
            values.append(minimize(huber_sum, start, args=arguments, jac=True, method="L-BFGS-B", options=options).fun)
        found.append(min(values))
    return np.array(found), time.process_time() - begun


def ours(evidence: Evidence, deltas: Array) -> tuple[Array, float]:
    """The same sums by the solver of `log_linear`, ridge and priors all but gone, thresholds lowered in three steps."""
    begun = time.process_time()
    data = _Data.of(evidence.weights_RC, evidence.losses_RM)
    starts_MSP = _starts(data, np.full(len(deltas), 1e-6))
    metrics, count, parameters = starts_MSP.shape
    at_BP, ridge_B = starts_MSP.reshape(metrics * count, parameters), np.full(metrics * count, 1e-14)
    for step in (30.0, 5.0, 1.0):
        problems = data.problems(ridge_B, np.repeat(step * deltas / data.scale_M, count), copies=count)
        found = refine(replace(problems, prior_B=np.full(metrics * count, 1e-11)), at_BP, tolerance=1e-9)
        at_BP = found.parameters_BP
    best_M = np.argmin(found.objective_B.reshape(metrics, count), axis=1)
    seconds = time.process_time() - begun
    offsets_M, coefficients_MC = data.law(at_BP.reshape(metrics, count, parameters)[np.arange(metrics), best_M])
    at_MP = np.concatenate([np.log(np.maximum(offsets_M, 1e-300))[:, None], coefficients_MC], axis=1)
    columns = zip(at_MP, evidence.losses_RM.T, deltas, strict=True)
    return np.array([huber_sum(at_P, evidence.weights_RC, y, float(d))[0] for at_P, y, d in columns]), seconds


def speed(folder: Path) -> None:
    """Loss and time of `log_linear` beside a plain optimiser of the same law, and times of the large swarm."""
    train = published(folder, "train")
    start = time.process_time()
    LogLinear().fit(train)
    print(f"log_linear, {len(train.runs)} runs, {len(train.metrics)} metrics: {time.process_time() - start:.2f} s")
    deltas = np.full(len(train.metrics), _HUBER)
    (mine, seconds), (theirs, plainly) = ours(train, deltas), plain(train, deltas)
    print(f"Huber sums at {_HUBER}, all metrics: ours {mine.sum():.6f} in {seconds:.2f} s, ", end="")
    print(f"L-BFGS from 20 starts {theirs.sum():.6f} in {plainly:.1f} s; highest ratio {(mine / theirs).max():.6f}")
    for name in COMPARED:
        print(f"{name}, 832 runs × 64 domains × 52 metrics: {large(name):.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", default="34,51,85,128,256,512")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--only", choices=["speed", "halves", "table"])
    given = parser.parse_args()
    families = given.families.split(",")
    if given.only in (None, "speed"):
        speed(given.folder)
    if given.only in (None, "halves"):
        halves(given.folder, given.draws, families)
    if given.only in (None, "table"):
        compare(given.folder, [int(n) for n in given.runs.split(",")], given.draws, families)


if __name__ == "__main__":
    main()
