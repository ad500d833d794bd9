"""What the data is: files, documents, fingerprints, the held-out split, and tokens on disk.

`measure_domains` and `measure_evals` say what there is; `build_shards` and `build_evals` write what a run reads. Names
load when used, so importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from olmixctl.corpus.cache import CorpusCache
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.corpus.eval_tokens import build_evals
    from olmixctl.corpus.evals import measure_evals
    from olmixctl.corpus.holdout import holdout_fraction
    from olmixctl.corpus.inputs import DeclarationError
    from olmixctl.corpus.measure import declared_state, measure_domains, rehash
    from olmixctl.corpus.shards import build_shards
    from olmixctl.corpus.tokenizer import open_tokenizer

__all__ = [
    "CorpusCache",
    "CorpusContext",
    "DeclarationError",
    "build_evals",
    "build_shards",
    "declared_state",
    "holdout_fraction",
    "measure_domains",
    "measure_evals",
    "open_tokenizer",
    "rehash",
]

_HOME = {
    "CorpusCache": "cache",
    "CorpusContext": "context",
    "DeclarationError": "inputs",
    "build_evals": "eval_tokens",
    "build_shards": "shards",
    "declared_state": "measure",
    "holdout_fraction": "holdout",
    "measure_domains": "measure",
    "measure_evals": "evals",
    "open_tokenizer": "tokenizer",
    "rehash": "measure",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
