"""Training speed of the presets: tokens a second, and the share of what this machine's matrix products reach.

    python tests/benchmarks/proxy_speed.py [FOLDER] [--processes 2] [--models 250k 1m 4m 15m] [--precisions bf16]

A machine is filled as `apply` fills it: one run a core, one thread each, all at the same time; figures are sums. Steps
are timed in CPU time, so that other work on the machine costs cache and clock but not the processor itself. Whole
steps of real runs are timed: batches, forward, backward and the optimiser. The ceiling is the best of several square
products of the same precision, measured in the same way. The share counts 6 · parameters a token, as Kaplan et al. 2020
do: attention scores and Muon's own products are work beyond it.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from proxy_corpora import END_OF_TEXT, VOCABULARY, collect, folder_from

from olmixctl.proxy.config import RunConfig, TrainerOptions
from olmixctl.proxy.train import train
from olmixctl.spec.presets import PRESETS

SECONDS = 4.0
SHAPES = {"250k": (16, 64), "1m": (16, 128), "4m": (32, 128), "15m": (16, 256)}
"""Sequences a step and tokens a sequence."""


def main() -> None:
    """Prints a line a preset and precision."""
    parser = argparse.ArgumentParser(description="Training speed of the proxy presets.")
    parser.add_argument("folder", nargs="?", help="collected corpora (default: collected into .olmixctl/)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=list(SHAPES))
    parser.add_argument("--precisions", nargs="+", default=["float32", "bf16"])
    arguments = parser.parse_args()
    folder = folder_from(arguments.folder)
    collect(folder)
    print(f"{'model':6} {'precision':9} {'tokens/s':>9} {'GFLOP/s':>8} {'ceiling':>8} {'share':>6}")
    with ProcessPoolExecutor(arguments.processes, multiprocessing.get_context("spawn")) as pool:
        everywhere = range(arguments.processes)
        for precision in arguments.precisions:
            best = sum(pool.map(partial(ceiling, precision), everywhere))
            for model in arguments.models:
                speed = sum(pool.map(partial(measure, folder, model, precision), everywhere))
                used = speed * PRESETS[model].train_flops_per_token(VOCABULARY) / 1e9
                print(f"{model:6} {precision:9} {speed:9,.0f} {used:8.1f} {best:8.1f} {used / best:6.0%}", flush=True)


def ceiling(precision: str, _: int) -> float:
    """GFLOP/s of the best square product on one thread."""
    torch.set_num_threads(1)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    best = 0.0
    for size in (512, 1024, 2048):
        left, right = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
        for _ in range(10):
            began = time.perf_counter()
            torch.mm(left, right)
            best = max(best, 2 * size**3 / (time.perf_counter() - began) / 1e9)
    return best


def measure(folder: Path, model: str, precision: Any, _: int) -> float:
    """Tokens a second: the median step of a run of about `SECONDS`, and of two steps at least."""
    shards, _evals = collect(folder)
    batch_size, sequence_length = SHAPES[model]
    config = RunConfig(
        model=model,
        tokens=4_000_000,  # more than the time allows
        sequence_length=sequence_length,
        batch_size=batch_size,
        seed=0,
        vocabulary=VOCABULARY,
        end_of_text=END_OF_TEXT,
        weights={name: 1 / len(shards) for name in shards},
    )
    ends: list[float] = []

    def stop() -> bool:
        ends.append(time.process_time())
        return len(ends) > 3 and ends[-1] - ends[0] > SECONDS

    train(config, shards, [], TrainerOptions(device="cpu", precision=precision, threads=1), should_stop=stop)
    return config.tokens_per_step / statistics.median(after - before for before, after in itertools.pairwise(ends[1:]))


if __name__ == "__main__":
    main()
