"""Is a proxy signal or noise: ten random mixtures, two seeds each, correlated a metric and for their average.

    python tests/benchmarks/proxy_reliability.py [FOLDER] [--model 250k] [--tokens 250000] …

One seed changes the initialisation and which text of each domain is read; a mixture's effect has to show through both.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from proxy_corpora import END_OF_TEXT, VOCABULARY, collect, folder_from

from olmixctl.proxy.config import RunConfig, TrainerOptions, TrainResult
from olmixctl.proxy.train import train


def main() -> None:
    """Trains the runs and prints a line a metric and one for the average."""
    arguments = parse()
    shards, evals = collect(folder_from(arguments.folder))
    mixtures = np.random.default_rng(0).dirichlet(np.ones(len(shards)), size=arguments.mixtures)
    results: list[list[TrainResult]] = []
    for seed in (0, 1):
        results.append([])
        for mixture in mixtures:
            config = RunConfig(
                model=arguments.model,
                tokens=arguments.tokens,
                sequence_length=arguments.sequence_length,
                batch_size=arguments.batch_size,
                seed=seed,
                vocabulary=VOCABULARY,
                end_of_text=END_OF_TEXT,
                weights=dict(zip(sorted(shards), (mixture / mixture.sum()).tolist(), strict=True)),
            )
            results[-1].append(train(config, shards, evals, TrainerOptions(device="cpu", threads=arguments.threads)))
    names = sorted(results[0][0].metrics)
    losses_SRM = np.array([[[run.metrics[name] for name in names] for run in runs] for runs in results])
    print(f"{'metric':12} {'correlation':>11} {'signal sd':>9} {'noise sd':>8} {'mean':>6}")
    for index, name in enumerate(names):
        print_line(name, losses_SRM[:, :, index])
    print_line("average", losses_SRM.mean(axis=2))
    runs = results[0] + results[1]
    train_seconds, eval_seconds = (
        np.mean([getattr(run, f"{part}_seconds") for run in runs]) for part in ("train", "eval")
    )
    print(f"{train_seconds:.1f} s training and {eval_seconds:.1f} s scoring a run, {runs[0].precision}")


def parse() -> argparse.Namespace:
    """The command line; the defaults are the demo's budget."""
    parser = argparse.ArgumentParser(description="Seed-to-seed correlation of proxies over random mixtures.")
    parser.add_argument("folder", nargs="?", help="collected corpora (default: collected into .olmixctl/)")
    parser.add_argument("--model", default="250k")
    parser.add_argument("--tokens", type=int, default=250_000)
    parser.add_argument("--sequence-length", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--mixtures", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def print_line(name: str, losses_SR: NDArray[np.float64]) -> None:
    """Correlation of the two seeds; sd over mixtures of their mean; sd of one run about it."""
    first, second = losses_SR
    noise = (first - second - (first - second).mean()).std(ddof=1) / 2**0.5
    print(
        f"{name:12} {np.corrcoef(first, second)[0, 1]:11.3f} {losses_SR.mean(axis=0).std(ddof=1):9.4f}"
        f" {noise:8.4f} {losses_SR.mean():6.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
