"""How often loss spikes are found, and runs taken for some that are none: the table of docs/numerics.md.

    OMP_NUM_THREADS=1 python tests/benchmarks/spikes.py [FOLDER] [--seeds 8]

Swarms of truths that are known (those of `calibration.py`), clean and with one run whose metrics are all higher, by so
many standard deviations of each. *Ranks*: of the mean of the metrics at 200 unseen mixtures, under `gaussian` fitted to
the clean swarm, to the one with the spike, and to what is left of it. With FOLDER, random runs of the published swarm
(tables as in `surrogates.py`), the training runs that were not drawn being the unseen ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from calibration import evidence_of, swarm_of, truth_of, values_of
from surrogates import published

from olmixctl.mixture import Mixture
from olmixctl.surrogate import FAMILIES, Evidence
from olmixctl.surrogate.spikes import without_spikes
from olmixctl.surrogate.validation import rank_correlation

SIZES = ((6, 3.0), (12, 1.5), (12, 3.0))
NOISES = (0.05, 0.3)
HEIGHTS = (2.0, 4.0, 8.0)
RUNS = (34, 85)

Array = np.ndarray
Case = tuple[Evidence, Array, Array]  # runs, unseen mixtures, and the mean of their metrics


def known(kind: str, seeds: int) -> Iterator[Case]:
    """Swarms of known truths."""
    for domains, ratio in SIZES:
        names = tuple(f"d{j:02}" for j in range(domains))
        for noise in NOISES:
            for seed in range(seeds):
                rng = np.random.default_rng((seed, domains, int(100 * noise), 2))
                shares = rng.dirichlet(np.full(domains, 2.0)).tolist()
                reference = Mixture.normalised(dict(zip(names, shares, strict=True)))
                laws = truth_of(kind, rng, names)
                weights_RC = swarm_of(names, reference, round(ratio * (domains + 1)), seed)
                exact_RM = values_of(laws, weights_RC, names)
                losses_RM = exact_RM + rng.normal(0, 1, exact_RM.shape) * noise * exact_RM.std(axis=0)
                unseen_NC = swarm_of(names, reference, 200, seed + 100_000)
                yield evidence_of(names, weights_RC, losses_RM), unseen_NC, values_of(laws, unseen_NC, names).mean(1)


def drawn(folder: Path, runs: int, seeds: int) -> Iterator[Case]:
    """Random runs of the published training runs; the rest of them is unseen."""
    whole = published(folder, "train")
    for seed in range(seeds):
        taken_R = np.zeros(len(whole.runs), dtype=bool)
        taken_R[np.random.default_rng(seed).choice(len(whole.runs), runs, replace=False)] = True
        yield whole.subset(taken_R), whole.weights_RC[~taken_R], whole.losses_RM[~taken_R].mean(axis=1)


def ranks(evidence: Evidence, unseen_NC: Array, truth_N: Array) -> float:
    return rank_correlation(FAMILIES["gaussian"].fit(evidence).predict(unseen_NC).mean(axis=1), truth_N) or 0.0


def rows(name: str, cases: list[Case]) -> None:
    false = sum(len(without_spikes(evidence).spikes) for evidence, *_ in cases)
    plain = np.mean([ranks(*case) for case in cases])
    for height in HEIGHTS:
        found, others, with_it, without = 0, 0, [], []
        for number, (evidence, unseen_NC, truth_N) in enumerate(cases):
            row = number % len(evidence.runs)
            losses_RM = evidence.losses_RM.copy()
            losses_RM[row] += height * losses_RM.std(axis=0)
            spiked = replace(evidence, losses_RM=losses_RM)
            kept, spikes, _ = without_spikes(spiked)
            caught = evidence.runs[row] not in kept.runs
            found, others = found + caught, others + len(spikes) - caught
            with_it.append(ranks(spiked, unseen_NC, truth_N))
            without.append(ranks(kept, unseen_NC, truth_N) if spikes else with_it[-1])
        of = len(cases)
        print(
            f"| {name} | {false} in {of} | +{height:g} | {found} of {of} | {others} | {plain:.3f} "
            f"| {np.mean(with_it):.3f} | {np.mean(without):.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    asked = parser.parse_args()
    print("| swarms | false, clean | spike | found | others left out | rank clean | with spike | as fitted |")
    print("|---" * 8 + "|")
    for kind in ("log_linear", "saturating"):
        rows(kind, list(known(kind, asked.seeds)))
    for runs in RUNS if asked.folder else ():
        rows(f"published, {runs} runs", list(drawn(asked.folder, runs, asked.seeds)))
