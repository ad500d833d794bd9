"""A swarm in two tables that others trained, and a mix that can only adopt it: all of it declared, nothing to read."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

DOMAINS = ("code", "docs", "web")
EVALS = ("one", "two")
SLOPES_CM = np.array([[-0.4, 0.2], [0.1, -0.6], [0.3, 0.1]])
Rows = list[list[str]]


def write_tables(root: Path, runs: int = 14, *, seed: int = 7, first: int = 1) -> None:
    """`a.csv` and `b.csv` in the manner of RegMix, ids from `first` on, by a log-linear truth with a little noise."""
    rng = np.random.default_rng(seed)
    weights_RC = rng.dirichlet(np.full(len(DOMAINS), 0.5), runs)
    losses_RM = 0.8 + np.exp(weights_RC @ SLOPES_CM) + rng.normal(0, 0.002, (runs, len(EVALS)))
    write_table(root / "a.csv", ["index", *(f"train_{name}" for name in DOMAINS)], weights_RC, first)
    write_table(root / "b.csv", ["index", *(f"metric/{name}_val_loss" for name in EVALS)], losses_RM, first)


def write_table(path: Path, head: list[str], values, first: int) -> None:
    rows = [[str(first + i), *(repr(round(float(value), 6)) for value in row)] for i, row in enumerate(values)]
    rewrite(path, [head, *rows])


def rewrite(path: Path, rows: Rows) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def edit_table(path: Path, change: Callable[[Rows], object]) -> None:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    rewrite(path, rows)


def write_declared_mix(root: Path, domains: Sequence[str] = DOMAINS, *, extra: str = "", kind: str = "local") -> Path:
    """A mix file whose domains and evals are declared."""
    lines = ["version: 1", "name: base", "target: {tokens: 1M, max_repetition: 4}", "domains:"]
    lines += [
        f"  {name}: {{paths: [far/{name}/*], declared: {{tokens: {400 + 100 * n}K, revision: a}}}}"
        for n, name in enumerate(domains)
    ]
    lines += ["evals:", *(f"  - {{name: {name}, declared: {{revision: a}}}}" for name in EVALS)]
    lines += ["proxy: {model: 250k, tokens: 4096, sequence_length: 64, batch_size: 8}"]
    lines += ["surrogate: log_linear", f"executor: {{kind: {kind}}}", extra]
    path = root / "mixes" / "base.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def observed_in(root: Path):
    """The declared mix as it is seen, written into `root`."""
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.present import observe
    from olmixctl.spec.load import load_mix

    return observe(load_mix(write_declared_mix(root)), CorpusContext.open(root, tokenizer="bytes"), "t1")
