"""How fast corpora are read, and how fast nothing is found to have changed.

    python tests/benchmarks/fingerprint.py [--megabytes 1024] [--files 100000] [--domains 1000]

Prints the table of docs/performance.md, *Fingerprinting*. Files are written to a temporary folder first and are in
the page cache when they are read; each figure is the best of three, in this process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import zstandard

from olmixctl.corpus import CorpusCache, CorpusContext, build_shards, measure_domains
from olmixctl.spec.model import DomainSpec

WORDS = [f"{w}{i}" for i in range(400) for w in ("the", "mixture", "of", "tokens", "größe", "data", "é", "model")]


def text(size: int, *, ascii_only: bool, seed: int) -> str:
    rng = random.Random(seed)
    words = [w for w in WORDS if w.isascii()] if ascii_only else WORDS
    return " ".join(rng.choices(words, k=size // 6))[:size]


def best(function: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Wall seconds of the fastest call and CPU seconds of the leanest, its processes included."""
    wall, cpu = [], []
    for _ in range(times):
        start, used = time.perf_counter(), sum(os.times()[:4])
        function()
        wall.append(time.perf_counter() - start)
        cpu.append(sum(os.times()[:4]) - used)
    return min(wall), min(cpu)


def uncached(root: Path, workers: int | None = None) -> CorpusContext:
    context = CorpusContext.open(root, tokenizer="bytes", workers=workers)
    return CorpusContext(
        root=root,
        tokenizer=context.tokenizer,
        cache=CorpusCache(None),
        shards=context.shards,
        workers=workers,
    )


def row(what: str, size: int, seconds: tuple[float, float]) -> None:
    wall, cpu = seconds
    rates = f"{size / 1e9 / wall:.2f} GB/s | {size / 1e9 / cpu:.2f} GB"
    print(f"| {what} | {size / 1e6:,.0f} MB | {wall:.2f} s | {rates} |", flush=True)


def stored(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def readers(root: Path, megabytes: int) -> None:
    """Digest, count and check of large files, by format."""
    print("| reading everything | content | time | a second | a CPU-second |\n|---|--:|--:|--:|--:|")
    parts = 8
    size = megabytes * 1_000_000 // parts
    for name, ascii_only in (("ascii", True), ("utf8", False)):
        piece = text(4_000_000, ascii_only=ascii_only, seed=1).encode()
        for i in range(parts):
            path = root / f"plain-{name}/{i}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(piece * max(1, size // len(piece)))
        domain = DomainSpec(id="d", paths=(f"plain-{name}",))
        for workers in (1, 2):
            seconds = best(lambda d=domain, w=workers: measure_domains([d], uncached(root, w)))
            row(f".txt, {name}, {workers} at once", stored(root / f"plain-{name}"), seconds)
        shutil.rmtree(root / f"plain-{name}")
    documents = [json.dumps({"text": text(4000, ascii_only=False, seed=i)}, ensure_ascii=False) for i in range(2000)]
    lines = ("\n".join(documents) + "\n").encode()
    packs = {"": bytes, ".gz": lambda b: gzip.compress(b, 6), ".zst": zstandard.compress}
    for suffix, pack in packs.items():
        packed = pack(lines)
        (root / "lines").mkdir()
        for i in range(parts):
            (root / f"lines/{i}.jsonl{suffix}").write_bytes(packed * 4)
        seconds = best(lambda: measure_domains([DomainSpec(id="d", paths=("lines",))], uncached(root)))
        row(f".jsonl{suffix}", len(lines) * 4 * parts, seconds)
        if not suffix:
            seconds = best(lambda: shards_again(root))
            row("shards from .jsonl", len(lines) * 4 * parts, seconds)
        shutil.rmtree(root / "lines")


def shards_again(root: Path) -> None:
    context = CorpusContext.open(root, tokenizer="bytes")
    states = measure_domains([DomainSpec(id="d", paths=("lines",))], context)
    shutil.rmtree(context.shards, ignore_errors=True)
    build_shards(states, context, holdout_fraction=0.01)


def nothing_to_do(root: Path, domains: int, files: int) -> None:
    """The second look at a mix."""
    specs = []
    for d in range(domains):
        folder = root / f"many/{d:04}"
        folder.mkdir(parents=True)
        for f in range(files // domains):
            (folder / f"{f:04}.txt").write_text(f"document {f} of domain {d}")
        specs.append(DomainSpec(id=f"d{d:04}", paths=(f"many/{d:04}/**/*.txt",)))
    time.sleep(0.1)
    shutil.rmtree(root / ".olmixctl", ignore_errors=True)
    start = time.perf_counter()
    measure_domains(specs, CorpusContext.open(root, tokenizer="bytes"))
    first = time.perf_counter() - start
    wall, cpu = best(lambda: measure_domains(specs, CorpusContext.open(root, tokenizer="bytes")))
    print(f"| {domains:,} | {files:,} | {first:.2f} s | {wall:.2f} s | {cpu:.2f} s |", flush=True)
    shutil.rmtree(root / "many")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--domains", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores\n")
    with tempfile.TemporaryDirectory() as folder:
        readers(Path(folder), arguments.megabytes)
        print("\n| domains | files | first time | nothing changed | of it CPU |\n|--:|--:|--:|--:|--:|")
        nothing_to_do(Path(folder), 64, 6400)
        nothing_to_do(Path(folder), arguments.domains, arguments.files)


if __name__ == "__main__":
    main()
