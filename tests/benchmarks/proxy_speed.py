"""Training speed of the presets: tokens a second, and the share of what this machine's matrix products reach.

    python tests/benchmarks/proxy_speed.py [FOLDER] [--threads 2] [--models 250k 1m 4m 15m]

Whole steps of real runs are timed: batches, forward, backward and the optimiser. The ceiling is the best of several
square products of the same precision and threads. The share counts 6 · parameters a token, as Kaplan et al. 2020 do:
attention scores and Muon's own products are work beyond it.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

import torch
from proxy_corpora import END_OF_TEXT, VOCABULARY, collect, folder_from

from olmixctl.proxy.config import RunConfig, TrainerOptions
from olmixctl.proxy.train import train
from olmixctl.spec.presets import PRESETS

SECONDS = 6.0


def main() -> None:
    """Prints a line a preset and precision."""
    parser = argparse.ArgumentParser(description="Training speed of the proxy presets.")
    parser.add_argument("folder", nargs="?", help="collected corpora (default: collected into .olmixctl/)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=["250k", "1m", "4m", "15m"])
    parser.add_argument("--sequence-length", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    folder = folder_from(arguments.folder)
    collect(folder)
    print(f"{'model':6} {'precision':9} {'tokens/s':>9} {'GFLOP/s':>8} {'ceiling':>8} {'share':>6}")
    for precision, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        best = ceiling(dtype, arguments.threads)
        for model in arguments.models:
            options = TrainerOptions(device="cpu", precision=precision, threads=arguments.threads)  # type: ignore[arg-type]
            speed = measure(model, arguments, options)
            used = speed * PRESETS[model].train_flops_per_token(VOCABULARY) / 1e9
            print(f"{model:6} {precision:9} {speed:9,.0f} {used:8.1f} {best:8.1f} {used / best:6.0%}", flush=True)


def ceiling(dtype: torch.dtype, threads: int) -> float:
    """GFLOP/s of the best square product."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    best = 0.0
    for size in (512, 1024, 2048):
        left, right = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
        for _ in range(10):
            began = time.perf_counter()
            torch.mm(left, right)
            best = max(best, 2 * size**3 / (time.perf_counter() - began) / 1e9)
    torch.set_num_threads(before)
    return best


def measure(model: str, arguments: argparse.Namespace, options: TrainerOptions) -> float:
    """Tokens a second: the median step of a run of about `SECONDS`."""
    shards, _ = collect(folder_from(arguments.folder))
    config = RunConfig(
        model=model,
        tokens=4_000_000,  # more than the time allows
        sequence_length=arguments.sequence_length,
        batch_size=arguments.batch_size,
        seed=0,
        vocabulary=VOCABULARY,
        end_of_text=END_OF_TEXT,
        weights={name: 1 / len(shards) for name in shards},
    )
    ends: list[float] = []

    def stop() -> bool:
        ends.append(time.perf_counter())
        return len(ends) > 5 and ends[-1] - ends[0] > SECONDS

    train(config, shards, [], options, should_stop=stop)
    laps = [after - before for before, after in itertools.pairwise(ends[2:])]
    return config.tokens_per_step / statistics.median(laps)


if __name__ == "__main__":
    main()
