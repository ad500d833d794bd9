"""The tokens of evals on disk, as `model.EvalTokens` describes them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from olmixctl.atomic import write_atomically
from olmixctl.corpus.eval_items import EvalItem, load_items
from olmixctl.corpus.evals import scored_documents
from olmixctl.corpus.index import load_index
from olmixctl.corpus.model import DomainState, EvalState, EvalTokens
from olmixctl.corpus.pool import run_parallel
from olmixctl.corpus.scan import encode_documents
from olmixctl.corpus.shards import Group, read_documents
from olmixctl.errors import CorpusError
from olmixctl.fingerprint import sha256_hex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from olmixctl.corpus.context import CorpusContext
    from olmixctl.corpus.inputs import DeclaredEval

__all__ = ["build_evals"]

_VERSION = "1"


@dataclass(frozen=True, slots=True)
class _Document:
    """Token ids, where scoring starts, and the bytes of what is scored."""

    tokens: NDArray[np.generic]
    target: int
    size: int


def build_evals(
    evals: Sequence[DeclaredEval],
    states: Mapping[str, DomainState],
    eval_states: Mapping[str, EvalState],
    context: CorpusContext,
) -> dict[str, EvalTokens]:
    """The tokens of each metric, by name, made where they are not on disk yet.

    Args:
        evals: as declared.
        states: measured domains.
        eval_states: what `measure_evals` gave for them.
        context: tokenizer, cache and the folder of shards.

    Raises:
        CorpusError: an eval or a held-out domain is declared, or a file changed since it was measured.
        OlmixctlError: the folder cannot be written, or the disk is full.
    """
    declared = next((e.name for e in evals if e.declared is not None), None)
    if declared is not None:
        raise CorpusError(
            f"eval {declared} is declared: its values are adopted with runs of others, it cannot be measured here",
            remedy="give it `paths` or `heldout` instead of `declared`",
        )
    return {e.name: _build(e, states, eval_states[e.name], context) for e in evals}


def _build(
    eval_: DeclaredEval, states: Mapping[str, DomainState], state: EvalState, context: CorpusContext
) -> EvalTokens:
    used = [states[id_] for id_ in sorted(set(eval_.heldout))]
    identity = [_VERSION, state.digest, *sorted(s.content for s in used)]
    path = context.shards / "evals" / f"{sha256_hex(chr(0).join(identity))[:32]}.npz"
    if (kept := _existing(eval_.name, path)) is not None:
        return kept
    if used:
        kind: Literal["text", "continuation"] = "text"
        documents = _heldout(eval_, used, context)
    else:
        items = load_items(eval_, context)
        kind = items[0].kind
        documents = _from_items(items, eval_.max_tokens, context)
    write_atomically(path, _pack(documents, kind, np.dtype(context.tokenizer.dtype)))
    built = _existing(eval_.name, path)
    assert built is not None
    return built


def _existing(name: str, path: Path) -> EvalTokens | None:
    """The file, if it is there and whole."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            kind: Literal["text", "continuation"] = "continuation" if int(arrays["continuation"]) else "text"
            documents, tokens = len(arrays["sizes"]), len(arrays["tokens"])
            whole = len(arrays["targets"]) == documents == len(arrays["offsets"]) - 1
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return EvalTokens(name=name, kind=kind, path=path, documents=documents, tokens=tokens) if whole else None


def _pack(documents: Sequence[_Document], kind: str, dtype: np.dtype[np.generic]) -> bytes:
    buffer = io.BytesIO()
    offsets = np.concatenate([[0], np.cumsum([len(d.tokens) for d in documents])])
    np.savez(
        buffer,
        tokens=np.concatenate([d.tokens.astype(dtype) for d in documents]),
        offsets=offsets.astype(np.int64),
        targets=np.array([d.target for d in documents], dtype=np.int64),
        sizes=np.array([d.size for d in documents], dtype=np.int64),
        continuation=np.array(int(kind == "continuation")),
    )
    return buffer.getvalue()


def _heldout(eval_: DeclaredEval, used: Sequence[DomainState], context: CorpusContext) -> list[_Document]:
    indexes = [load_index(state, context) for state in used]
    scored = scored_documents(indexes, fraction=eval_.fraction or 0.0, max_tokens=eval_.max_tokens)
    if not len(scored.rows):
        raise CorpusError(f"eval {eval_.name} holds out no document", remedy="raise `fraction`")
    wanted = {(int(d), int(r)): i for i, (d, r) in enumerate(zip(scored.domains, scored.rows, strict=True))}
    files = sorted({(d, int(indexes[d].files[r])) for d, r in wanted})

    def read(file: tuple[int, int]) -> list[tuple[int, _Document]]:
        domain, position = file
        index = indexes[domain]
        rows = np.array([r for d, r in wanted if d == domain and index.files[r] == position], dtype=np.int64)
        source = context.source(used[domain].files[position])
        out = []
        for i, data in read_documents(Group.of(source, index, rows)):
            place = wanted[domain, int(rows[i])]
            tokens = encode_documents(source, [data], context.tokenizer)[0]
            whole = None if source.format.is_tokens else len(data)
            out.append((place, _cut(tokens, int(scored.lengths[place]), whole, context)))
        return out

    parts = run_parallel(read, files, workers=context.parallel)
    return [document for _, document in sorted((p for part in parts for p in part), key=lambda p: p[0])]


def _cut(tokens: NDArray[np.generic], length: int, size: int | None, context: CorpusContext) -> _Document:
    """The first `length` tokens; `size` is the bytes of all of them where known."""
    if length == len(tokens) and size is not None:
        return _Document(tokens, 0, size)
    return _Document(tokens[:length], 0, context.tokenizer.byte_size(tokens[:length]))


def _from_items(items: Sequence[EvalItem], max_tokens: int, context: CorpusContext) -> list[_Document]:
    targets = context.tokenizer.encode([item.target for item in items])
    given = context.tokenizer.encode([item.context or b"" for item in items])
    out: list[_Document] = []
    left = max_tokens
    for item, before, after in zip(items, given, targets, strict=True):
        if item.context is None:
            out.append(_cut(after, min(left, len(after)), len(item.target), context))
        elif out and len(after) > left:
            break
        else:
            out.append(_Document(np.concatenate([before, after]), len(before), len(item.target)))
        left -= len(after)
        if left <= 0:
            break
    return out
