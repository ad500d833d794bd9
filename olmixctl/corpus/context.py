"""What every step over a corpus needs beside its subject: where, with which tokenizer, remembering what."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from olmixctl.corpus.cache import CorpusCache
from olmixctl.corpus.documents import Source
from olmixctl.corpus.formats import FileFormat
from olmixctl.corpus.inputs import Progress
from olmixctl.corpus.model import FileState
from olmixctl.corpus.tokenizer import Tokenizer, open_tokenizer

__all__ = ["CorpusContext", "no_progress"]


def no_progress(_done: int, _total: int, /) -> None:
    """Says nothing."""


@dataclass(frozen=True, kw_only=True)
class CorpusContext:
    """Where paths start, how text becomes tokens, and what is kept between commands.

    Attributes:
        root: the workspace; relative paths of a mix start here.
        tokenizer: of the mix.
        cache: fingerprints of unchanged files; `cache.unavailable` says why none are kept, where the repository may not
            be written.
        shards: folder for token shards and tokenised evals.
        workers: files read at once; None is one a core.
        on_progress: called with (bytes or tokens done, total).
    """

    root: Path
    tokenizer: Tokenizer
    cache: CorpusCache
    shards: Path
    workers: int | None = None
    on_progress: Progress = no_progress

    @classmethod
    def open(
        cls, root: Path, *, tokenizer: str, workers: int | None = None, on_progress: Progress | None = None
    ) -> CorpusContext:
        """The usual one: cache and shards in `.olmixctl` below the workspace.

        Raises:
            CorpusError: the tokenizer cannot be read.
            MissingExtraError: the tokenizer needs a package that is not installed.
        """
        root = root.absolute()
        state = root / ".olmixctl"
        return cls(
            root=root,
            tokenizer=open_tokenizer(tokenizer, root),
            cache=CorpusCache(state / "cache"),
            shards=state / "shards",
            workers=workers,
            on_progress=on_progress or no_progress,
        )

    @property
    def parallel(self) -> int:
        """Files read at once."""
        if self.workers is not None:
            return self.workers
        # Containers often may use fewer cores than the machine has.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def source(self, file: FileState) -> Source:
        """How to read a measured file again."""
        start = f"{self.root}/"
        shown = file.url.removeprefix(start)
        return Source(file.url, shown, FileFormat.parse(file.format))
