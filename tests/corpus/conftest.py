"""A small workspace of real files, and a context that reads it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import zstandard

from olmixctl.corpus import CorpusContext
from olmixctl.spec.model import DomainSpec, EvalSpec

Texts = Sequence[str]


class Workspace:
    """Writes files below a folder and opens contexts on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def write(self, path: str, content: str | bytes) -> Path:
        """A file with the given content, compressed as its suffix says."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        if path.endswith(".gz"):
            data = gzip.compress(data, mtime=0)
        elif path.endswith(".zst"):
            data = zstandard.compress(data)
        target.write_bytes(data)
        return target

    def texts(self, folder: str, texts: Texts) -> DomainSpec:
        """A domain of `.txt` files, one a text."""
        for i, text in enumerate(texts):
            self.write(f"{folder}/{i:04}.txt", text)
        return DomainSpec(id=folder, paths=(f"{folder}/**/*.txt",))

    def jsonl(self, path: str, texts: Texts) -> DomainSpec:
        """A domain of one JSONL file."""
        self.write(path, "".join(json.dumps({"text": t}) + "\n" for t in texts))
        return DomainSpec(id=path.split("/", maxsplit=1)[0], paths=(path,))

    def context(self, tokenizer: str = "bytes", **changes: object) -> CorpusContext:
        return CorpusContext.open(self.root, tokenizer=tokenizer, **changes)  # type: ignore[arg-type]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.fixture
def make_workspace(tmp_path: Path) -> Callable[[str], Workspace]:
    return lambda name: Workspace(tmp_path / name)


@pytest.fixture(scope="session")
def many_texts() -> list[str]:
    """Two hundred different documents, some longer than others, some not ASCII."""
    return [f"Dokument Nummer {i}: " + "größer, Ελλάδα, 文 " * (i % 7) + "end\n" for i in range(200)]


@pytest.fixture
def heldout() -> Callable[..., EvalSpec]:
    def make(*domains: str, fraction: float = 0.1, name: str = "held", **rest: object) -> EvalSpec:
        return EvalSpec(name=name, heldout=domains, fraction=fraction, **rest)  # type: ignore[arg-type]

    return make


@pytest.fixture
def word_tokenizer(workspace: Workspace) -> Path:
    """`tokenizer.json`: words and white space, with byte fallback through an unknown token."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = tokenizers.Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(special_tokens=["[UNK]", "<|endoftext|>"])
    tokenizer.train_from_iterator(["one two two three", "größer Ελλάδα 文 end Dokument Nummer"], trainer)
    path = workspace.root / "tokenizer.json"
    tokenizer.save(str(path))
    return path
