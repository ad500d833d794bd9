"""Real text for the proxy benchmarks, from what the running environment holds: no download.

Seven domains, held out by file: every tenth file in the order of its digest is evaluation text. Written as the files
that training reads (`TokenShard`, `EvalTokens`), in bytes plus end-of-text.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from olmixctl.corpus.model import EvalTokens, TokenShard

END_OF_TEXT = 256
VOCABULARY = 257
TRAIN_BYTES = 3_000_000
SITE = Path(sysconfig.get_paths()["purelib"])
STDLIB = Path(sysconfig.get_paths()["stdlib"])

SOURCES: dict[str, tuple[tuple[Path, str], ...]] = {
    "cpp": ((SITE / "torch" / "include", "**/*.h"),),
    "docs": ((SITE, "**/*.rst"), (SITE, "**/*.md"), (SITE, "**/*.txt"), (STDLIB / "pydoc_data", "*.py")),
    "licences": ((SITE, "**/*LICEN[SC]E*"), (SITE, "**/*COPYING*"), (SITE, "**/*NOTICE*")),
    "metadata": ((SITE, "*.dist-info/METADATA"),),
    "numerics": ((SITE / "scipy", "**/*.py"), (SITE / "numpy", "**/*.py")),
    "stdlib": ((STDLIB, "*.py"), (STDLIB, "[a-z]*/*.py")),
    "stubs": ((SITE, "**/*.pyi"),),
}


def collect(folder: Path) -> tuple[dict[str, TokenShard], list[EvalTokens]]:
    """The shards and held-out sets under `folder`, made on the first call and read on later ones."""
    folder.mkdir(parents=True, exist_ok=True)
    shards, evals = {}, []
    for domain in SOURCES:
        if not (folder / f"{domain}.eval.npz").exists():
            write_domain(folder, domain)
        shards[domain], held_out = read_domain(folder, domain)
        evals.append(held_out)
    return shards, evals


def write_domain(folder: Path, domain: str, eval_bytes: int = 16_000) -> None:
    """Every tenth document is held out; both sides stop at their size."""
    documents = list(read_documents(domain))
    held_out = documents[::10]
    kept = [document for index, document in enumerate(documents) if index % 10]
    write_shard(folder / f"{domain}.npy", kept)
    write_eval(folder / f"{domain}.eval.npz", held_out, eval_bytes)


def read_documents(domain: str) -> Iterator[bytes]:
    """Distinct documents of a domain in the order of their digests, at most 20 kB of each."""
    found = {path for root, pattern in SOURCES[domain] for path in root.glob(pattern) if path.is_file()}
    seen: dict[str, bytes] = {}
    for path in found:
        content = path.read_bytes()
        try:
            content.decode()
        except UnicodeDecodeError:
            continue
        if len(content) >= 200:
            seen[hashlib.sha256(content).hexdigest()] = content[:20_000]
    yield from (seen[digest] for digest in sorted(seen))


def write_shard(path: Path, documents: list[bytes]) -> None:
    """Documents, each followed by end-of-text, as one array of token ids."""
    parts, total = [], 0
    for document in documents:
        if total >= TRAIN_BYTES:
            break
        parts += [np.frombuffer(document, dtype=np.uint8).astype(np.uint16), np.array([END_OF_TEXT], np.uint16)]
        total += len(document)
    np.save(path, np.concatenate(parts))


def write_eval(path: Path, documents: list[bytes], size: int) -> None:
    """Held-out documents up to `size` bytes, at most 1 kB of each so that many count."""
    chosen: list[bytes] = []
    for document in documents:
        if sum(map(len, chosen)) < size:
            chosen.append(document[:1_000])
    tokens = np.frombuffer(b"".join(chosen), dtype=np.uint8).astype(np.uint16)
    lengths = np.array([len(document) for document in chosen], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    np.savez(path, tokens=tokens, offsets=offsets, targets=np.zeros(len(chosen), np.int64), sizes=lengths)


def read_domain(folder: Path, domain: str) -> tuple[TokenShard, EvalTokens]:
    """The shard and the held-out set of one domain."""
    tokens = np.load(folder / f"{domain}.npy", mmap_mode="r")
    with np.load(folder / f"{domain}.eval.npz") as scored:
        documents, length = len(scored["sizes"]), len(scored["tokens"])
    shard = TokenShard(
        domain=domain,
        key=f"olx1:{domain}",
        tokens_path=folder / f"{domain}.npy",
        tokens=len(tokens),
        documents=int((tokens == END_OF_TEXT).sum()),
    )
    held_out = EvalTokens(
        name=domain, kind="text", path=folder / f"{domain}.eval.npz", documents=documents, tokens=length
    )
    return shard, held_out


def folder_from(argument: str | None) -> Path:
    """The corpora folder: as given, or an ignored one below the working directory."""
    return Path(argument) if argument else Path(".olmixctl") / "benchmarks" / "proxy"


if __name__ == "__main__":
    made, scored = collect(folder_from(sys.argv[1] if len(sys.argv) > 1 else None))
    for name, held in zip(made, scored, strict=True):
        print(
            f"{name:10} {made[name].tokens:>9,} tokens {made[name].documents:>6,} documents; held out {held.tokens:,}"
        )
