"""Small real files for the proxy tests: learnable text in two domains, and held-out sets of both kinds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olmixctl.corpus.model import EvalTokens, TokenShard
from olmixctl.proxy.config import RunConfig

END_OF_TEXT = 256
SENTENCES = {
    "code": "for index in range(10):\n    total += values[index]\n",
    "prose": "It was the best of times, it was the worst of times, it was the age of wisdom. ",
}


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return {domain: _make_shard(folder, domain, [sentence * 12] * 25) for domain, sentence in SENTENCES.items()}


@pytest.fixture(scope="session")
def evals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evals")
    prose, code = SENTENCES["prose"], SENTENCES["code"]
    return [
        _make_eval(folder, "prose", "text", [(0, prose * 3), (0, prose)]),
        _make_eval(folder, "code-continued", "continuation", [(20, code * 2), (len(code), code * 4)]),
    ]


@pytest.fixture
def config() -> RunConfig:
    return _make_run()


@pytest.fixture(name="make_run")
def make_run_fixture():
    return _make_run


@pytest.fixture(name="make_shard")
def make_shard_fixture():
    return _make_shard


@pytest.fixture(name="make_eval")
def make_eval_fixture():
    return _make_eval


def _make_run(**changes: Any) -> RunConfig:
    fields: dict[str, Any] = {
        "model": "250k",
        "tokens": 6_000,
        "sequence_length": 64,
        "batch_size": 4,
        "seed": 0,
        "vocabulary": 257,
        "end_of_text": END_OF_TEXT,
        "weights": {"code": 0.25, "prose": 0.75},
    }
    return RunConfig(**fields | changes)


def _make_shard(folder: Path, domain: str, documents: Sequence[str], *, key: str = "") -> TokenShard:
    parts = [np.frombuffer(document.encode() + b"\n", np.uint8).astype(np.uint16) for document in documents]
    for part in parts:
        part[-1] = END_OF_TEXT
    tokens = np.concatenate(parts)
    path = folder / f"{domain.replace('/', '-')}.npy"
    np.save(path, tokens)
    return TokenShard(
        domain=domain, key=key or f"olx1:{domain}", tokens_path=path, tokens=len(tokens), documents=len(documents)
    )


def _make_eval(folder: Path, name: str, kind: Any, documents: Sequence[tuple[int, str]]) -> EvalTokens:
    encoded = [np.frombuffer(text.encode(), np.uint8).astype(np.uint16) for _, text in documents]
    lengths = np.array([len(one) for one in encoded], np.int64)
    targets = np.array([target for target, _ in documents], np.int64)
    path = folder / f"{name}.npz"
    np.savez(
        path,
        tokens=np.concatenate(encoded),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        targets=targets,
        sizes=lengths - targets,
    )
    return EvalTokens(name=name, kind=kind, path=path, documents=len(documents), tokens=int(lengths.sum()))
