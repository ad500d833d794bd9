"""What metrics score: held-out documents of domains, or files of text and continuations.

A held-out eval scores the documents of its domains with u < f · 2^64 in the order of u, the same text once, until
`max_tokens`; the last document is cut there. A file eval takes its items in the order of their digests: plain text is
cut in the same way, a continuation that no longer fits ends the list (the first is always whole). Context and
continuation are tokenised apart, so what is scored is exactly the continuation.

A declared eval is scored nowhere: its values come with adopted runs, and its name and revision are its identity.

An eval's digest is made of what is scored, not of the files it stands in: neither re-sharding a domain nor adding
documents that are not scored changes it. The fraction enters too, for it decides what training leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from olmixctl.corpus.eval_items import EvalItem, load_items
from olmixctl.corpus.holdout import document_number, holdout_fraction, threshold
from olmixctl.corpus.index import DocumentIndex, load_index
from olmixctl.corpus.inputs import DeclarationError
from olmixctl.corpus.model import DomainState, EvalState
from olmixctl.errors import CorpusError
from olmixctl.fingerprint import digest, sha256_hex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from olmixctl.corpus.context import CorpusContext
    from olmixctl.corpus.inputs import DeclaredEval

__all__ = ["Scored", "measure_evals", "scored_documents"]

_VERSION = "1"
_BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """The held-out documents an eval scores, in order; arrays of length n.

    Attributes:
        domains: position in the eval's sorted domains (int32).
        rows: row of that domain's index (int64).
        lengths: tokens scored (int64); less than the document's only for the last.
        numbers: u (uint64).
    """

    domains: NDArray[np.int32]
    rows: NDArray[np.int64]
    lengths: NDArray[np.int64]
    numbers: NDArray[np.uint64]


def measure_evals(
    evals: Sequence[DeclaredEval], states: Mapping[str, DomainState], context: CorpusContext
) -> dict[str, EvalState]:
    """Identity of each metric, by name, after checking that it can be measured.

    Raises:
        DeclarationError: a domain has no held-out document for an eval, or none left to train on; an eval's path
            matches nothing.
        CorpusError: an eval file is wrong; an eval's text stands in the training data.
        KeyError: an eval names a domain without a state (the mix file's own checks come first).
    """
    held_below = threshold(holdout_fraction(evals))
    if held_below:
        _check_split(evals, states, held_below, context)
    items = {e.name: load_items(e, context) for e in evals if not e.heldout and e.declared is None}
    _check_leaks(items, states, held_below, context)
    digests = {e.name: _declared_digest(e) for e in evals if e.declared is not None}
    digests |= {e.name: _file_digest(items[e.name], e, context) for e in evals if e.name in items}
    digests |= {e.name: _heldout_digest(e, states, context) for e in evals if e.heldout}
    return {
        e.name: EvalState(
            name=e.name, digest=digests[e.name], tokens=_tokens_about(e, states, items.get(e.name, ()), context)
        )
        for e in evals
    }


def scored_documents(indexes: Sequence[DocumentIndex], *, fraction: float, max_tokens: int) -> Scored:
    """Which documents a held-out eval scores, given the indexes of its domains sorted by id."""
    import numpy as np

    limit = np.uint64(threshold(fraction))
    picked = [np.flatnonzero(index.numbers < limit) for index in indexes]
    numbers = np.concatenate([i.numbers[rows] for i, rows in zip(indexes, picked, strict=True)])
    lengths = np.concatenate([i.lengths[rows] for i, rows in zip(indexes, picked, strict=True)]).astype(np.int64)
    domains = np.repeat(np.arange(len(indexes), dtype=np.int32), [len(rows) for rows in picked])
    rows = np.concatenate(picked)
    order = np.lexsort((domains, lengths, numbers))
    same = (np.diff(numbers[order]) == 0) & (np.diff(lengths[order]) == 0)
    order = order[np.concatenate([[True], ~same])] if len(order) else order
    ends = np.cumsum(lengths[order])
    order = order[: int(np.searchsorted(ends, max_tokens)) + 1]
    lengths = lengths[order]
    if len(lengths):
        lengths[-1] -= max(0, int(lengths.sum()) - max_tokens)
    return Scored(domains[order], rows[order], lengths, numbers[order])


def _tokens_about(
    eval_: DeclaredEval, states: Mapping[str, DomainState], items: Sequence[EvalItem], context: CorpusContext
) -> int:
    """About how many tokens a run scores, without looking at a document: that is enough for costs."""
    if eval_.declared is not None:
        return 0
    if eval_.heldout:
        return min(eval_.max_tokens, round((eval_.fraction or 0.0) * sum(states[id_].tokens for id_ in eval_.heldout)))
    size = sum(len(item.context or b"") + len(item.target) for item in items)
    return min(eval_.max_tokens, size if context.tokenizer.digest == "bytes" else size // _BYTES_A_TOKEN)


def _check_split(
    evals: Sequence[DeclaredEval], states: Mapping[str, DomainState], held_below: int, context: CorpusContext
) -> None:
    """Every domain keeps something to train on, every held-out eval finds something in each of its domains."""
    spans = _spans([s for s in states.values() if s.files], context)
    for id_, (_, highest) in sorted(spans.items()):
        if highest < held_below:
            # What one eval holds out no run trains on, whatever domains that eval scores: the largest fraction counts.
            largest = max(evals, key=lambda e: (e.fraction or 0.0) if e.heldout else 0.0)
            raise DeclarationError(
                f"domain {id_} has no document left to train on: all {states[id_].documents} are held out",
                address=f"evals.{largest.name}.fraction",
                remedy="hold out a smaller fraction, or give the domain more documents",
            )
    for eval_ in evals:
        for id_ in sorted(set(eval_.heldout)):
            if id_ in spans and spans[id_][0] >= threshold(eval_.fraction or 0.0):
                raise _none_held_out(eval_, states[id_])


def _none_held_out(eval_: DeclaredEval, state: DomainState) -> DeclarationError:
    return DeclarationError(
        f"eval {eval_.name} holds out {eval_.fraction} of domain {state.id}, "
        f"which is none of its {state.documents} documents",
        address=f"evals.{eval_.name}.fraction",
        remedy="raise `fraction`, split the domain's text into smaller documents, or leave the domain out of the eval",
    )


def _spans(states: Sequence[DomainState], context: CorpusContext) -> dict[str, tuple[int, int]]:
    """The least and the greatest u of each domain."""
    keys = {state.id: ("span", _VERSION, state.content) for state in states}
    kept = context.cache.get(dict.fromkeys(keys.values(), ""))
    spans: dict[str, tuple[int, int]] = {}
    for state in states:
        if (known := kept.get(keys[state.id])) is not None:
            lowest, highest = json.loads(known)
            spans[state.id] = (lowest, highest)
        else:
            numbers = load_index(state, context).numbers
            spans[state.id] = (int(numbers.min()), int(numbers.max()))
            # One by one: reading a corpus for the first time takes long, and an interrupt should lose little.
            context.cache.put([(keys[state.id], "", json.dumps(spans[state.id]).encode())])
    return spans


def _declared_digest(eval_: DeclaredEval) -> str:
    return digest({"name": eval_.name, "declared": eval_.declared}, prefix="ev1")


def _heldout_digest(eval_: DeclaredEval, states: Mapping[str, DomainState], context: CorpusContext) -> str:
    used = [states[id_] for id_ in sorted(set(eval_.heldout))]
    contents = sorted(state.content for state in used)
    rule = {"fraction": repr(eval_.fraction), "tokenizer": context.tokenizer.digest}
    if not all(state.files for state in used):
        # What is held out of a declared domain is not known here; its revision stands for it.
        return digest({"declared": contents, "max_tokens": eval_.max_tokens, **rule}, prefix="ev1")
    key = ("scored", _VERSION, *contents, repr(eval_.fraction), str(eval_.max_tokens), context.tokenizer.digest)
    if kept := context.cache.get({key: ""}):
        return kept[key].decode()
    indexes = [load_index(state, context) for state in used]
    scored = scored_documents(indexes, fraction=eval_.fraction or 0.0, max_tokens=eval_.max_tokens)
    listing = sha256_hex(scored.numbers.astype("<u8").tobytes() + scored.lengths.astype("<u8").tobytes())
    result = digest({"heldout": listing, **rule}, prefix="ev1")
    context.cache.put([(key, "", result.encode())])
    return result


def _file_digest(items: Sequence[EvalItem], eval_: DeclaredEval, context: CorpusContext) -> str:
    value = {
        "items": sha256_hex(b"".join(item.digest for item in items)),
        "kind": items[0].kind,
        "max_tokens": eval_.max_tokens,
        "tokenizer": context.tokenizer.digest,
    }
    return digest(value, prefix="ev1")


def _check_leaks(
    items: Mapping[str, Sequence[EvalItem]],
    states: Mapping[str, DomainState],
    held_below: int,
    context: CorpusContext,
) -> None:
    """No eval text is a training document, word for word."""
    texts = {document_number(i.digest): (name, i) for name, part in items.items() for i in part if i.context is None}
    if not texts:
        return
    wanted = sorted(u for u in texts if u >= held_below)
    mark = sha256_hex(b"".join(u.to_bytes(8, "little") for u in wanted))
    keys = {id_: ("unleaked", _VERSION, s.content, mark) for id_, s in states.items() if s.files}
    known = context.cache.get(dict.fromkeys(keys.values(), ""))
    for id_, key in sorted(keys.items()):
        if key in known:
            continue
        index = load_index(states[id_], context)
        hits = index.find(wanted)
        if len(hits):
            raise _leak(texts[int(index.numbers[hits[0]])], states[id_], index, hits[0], context)
        context.cache.put([(key, "", b"1")])


def _leak(
    item: tuple[str, EvalItem], state: DomainState, index: DocumentIndex, row: int, context: CorpusContext
) -> CorpusError:
    name, found = item
    file = context.source(state.files[int(index.files[row])]).shown
    return CorpusError(
        f"eval {name} scores a text that domain {state.id} trains on: document {int(index.places[row]) + 1} of {file}",
        place=found.place,
        remedy="remove it from one of the two, or hold it out with a `heldout` eval",
    )
