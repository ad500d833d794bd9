"""How much of each domain of the lock is in each domain of the present: pure, from inventories.

Files that are the same, byte for byte, are matched first and counted exactly. What is left is compared document by
document where all documents are known, else by the samples: below the smaller of two limits both are complete, so

    of_old = (tokens in the same files + tokens in other files · shared / seen) / tokens of the old domain

with `seen` the tokens of the old domain's sampled documents under that limit and `shared` those of them that the new
domain has too; of_new likewise, from the new domain's side. With s documents seen, the standard error of an estimated
fraction f is about sqrt(f (1 − f) / s), times sqrt(1 + c²) where document lengths vary with coefficient c: under 0.03
for two domains of like size at 512 sampled documents. A small part of a large domain is seen by fewer of its documents
(512 times its share), but then by its own side, where all of them are shared.

Sums of document digests add up, so that several domains hold exactly the documents of one is proved without any sample;
a proved flow replaces the estimate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from olmixctl.inventory import EVERY_NUMBER, SUM_MODULUS, Inventory

__all__ = ["HALF", "Flow", "find_flows"]

HALF = 0.5

Pair = tuple[str, str]
"""Id in the lock, id now."""

_BySum = dict[tuple[int, int, str], list[str]]
"""Number of documents, sum of their digests and tokenizer → domains."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """What one domain of the lock and one of the present have in common.

    Attributes:
        of_old: fraction of the old domain's tokens that is in the new one.
        of_new: fraction of the new domain's tokens that is in the old one.
        documents_of_old: as `of_old`, of documents.
        documents_of_new: as `of_new`, of documents.
        files: files that are the same, byte for byte.
        exact: counted or proved; False where the samples say so.
        proved: sums of document digests prove that one holds all documents of the other.
    """

    of_old: float
    of_new: float
    documents_of_old: float
    documents_of_new: float
    files: int
    exact: bool
    proved: bool = False


def find_flows(then: Mapping[str, Inventory], now: Mapping[str, Inventory]) -> dict[Pair, Flow]:
    """(id in the lock, id now) → flow, for every pair that shares something.

    Args:
        then: what the domains were.
        now: what they are.
    """
    matched = _match_files(then, now)
    old_rest = {d: _rest(inventory, matched.old.get(d, set())) for d, inventory in then.items()}
    new_rest = {d: _rest(inventory, matched.new.get(d, set())) for d, inventory in now.items()}
    shared = _shared_documents(old_rest, new_rest)
    flows = {
        (old, new): _flow((then[old], old_rest[old]), (now[new], new_rest[new]), matched.of[old, new], shared[old, new])
        for old, new in sorted(set(matched.of) | set(shared))
    }
    return flows | _proved(then, now, flows)


@dataclass(slots=True)
class _Amount:
    """Files, documents and tokens in common."""

    files: int = 0
    documents: int = 0
    tokens: int = 0


@dataclass(slots=True)
class _Matched:
    """Files of equal content: what each pair has of them, and which positions of each inventory they take."""

    of: defaultdict[Pair, _Amount] = field(default_factory=lambda: defaultdict(_Amount))
    old: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    new: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


def _match_files(then: Mapping[str, Inventory], now: Mapping[str, Inventory]) -> _Matched:
    stock: dict[tuple[int, int, int], dict[str, list[int]]] = {}
    for old, inventory in sorted(then.items()):
        for position, file in enumerate(inventory.files):
            stock.setdefault(file[1:], {}).setdefault(old, []).append(position)
    matched = _Matched()
    # Of several copies of a file, those under the same name of a domain belong together.
    for same_name in (True, False):
        for new, inventory in sorted(now.items()):
            for position, file in enumerate(inventory.files):
                holders = stock.get(file[1:], {})
                old = new if same_name else next((d for d in holders if holders[d]), new)
                if holders.get(old) and position not in matched.new[new]:
                    matched.old[old].add(holders[old].pop())
                    matched.new[new].add(position)
                    amount = matched.of[old, new]
                    amount.files += 1
                    amount.documents += file.documents
                    amount.tokens += file.tokens
    return matched


@dataclass(frozen=True, slots=True)
class _Rest:
    """The documents of an inventory outside matched files, as far as they are known.

    Attributes:
        tokens: of all of them.
        count: of all of them.
        documents: (number, tokens) of the known ones, sorted.
        below: every one with a smaller number is known.
        sums: tokens of the first i known ones.
    """

    tokens: int
    count: int
    documents: list[tuple[int, int]]
    below: int
    sums: list[int]

    def seen(self, below: int) -> tuple[int, int]:
        """Number and tokens of the known documents under a limit."""
        count = bisect_left(self.documents, (below, 0))
        return count, self.sums[count]


def _rest(inventory: Inventory, taken: set[int]) -> _Rest:
    files = [file for position, file in enumerate(inventory.files) if position not in taken]
    sample = inventory.sample
    if sample is None:
        documents, below = sorted((file.digest, file.tokens) for file in files), EVERY_NUMBER
    else:
        documents, below = sorted(d[:2] for d in sample.documents if d.file not in taken), sample.below
    sums = list(accumulate((tokens for _, tokens in documents), initial=0))
    return _Rest(sum(f.tokens for f in files), sum(f.documents for f in files), documents, below, sums)


def _shared_documents(olds: Mapping[str, _Rest], news: Mapping[str, _Rest]) -> defaultdict[Pair, _Amount]:
    """What each pair shares of known documents; both samples hold such a document, so it lies under both limits."""
    holders: dict[tuple[int, int], Counter[str]] = {}
    for old, rest in olds.items():
        for document in rest.documents:
            holders.setdefault(document, Counter())[old] += 1
    shared: defaultdict[Pair, _Amount] = defaultdict(_Amount)
    for new, rest in news.items():
        for document, copies in Counter(rest.documents).items():
            for old, count in holders.get(document, {}).items():
                amount = shared[old, new]
                amount.documents += min(copies, count)
                amount.tokens += min(copies, count) * document[1]
    return shared


def _flow(old: tuple[Inventory, _Rest], new: tuple[Inventory, _Rest], same: _Amount, shared: _Amount) -> Flow:
    below = min(old[1].below, new[1].below)
    of_old, documents_of_old = _fractions(old, same, shared, below)
    of_new, documents_of_new = _fractions(new, same, shared, below)
    return Flow(
        of_old=of_old,
        of_new=of_new,
        documents_of_old=documents_of_old,
        documents_of_new=documents_of_new,
        files=same.files,
        exact=below == EVERY_NUMBER or not (old[1].count and new[1].count),
    )


def _fractions(side: tuple[Inventory, _Rest], same: _Amount, shared: _Amount, below: int) -> tuple[float, float]:
    """Fractions of a domain's tokens and documents that are common."""
    inventory, rest = side
    count, tokens = rest.seen(below)
    common_tokens = same.tokens + (rest.tokens * shared.tokens / tokens if tokens else 0)
    common_documents = same.documents + (rest.count * shared.documents / count if count else 0)
    return common_tokens / max(inventory.tokens, 1), common_documents / max(inventory.documents, 1)


def _proved(
    then: Mapping[str, Inventory], now: Mapping[str, Inventory], flows: Mapping[Pair, Flow]
) -> dict[Pair, Flow]:
    """Flows between one domain and those that hold together exactly its documents."""
    into: defaultdict[str, dict[str, float]] = defaultdict(dict)
    come: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (old, new), flow in flows.items():
        into[old][new] = flow.of_new
        come[new][old] = flow.of_old
    old_sums, new_sums = _by_sum(then), _by_sum(now)
    proved: dict[Pair, Flow] = {}
    for old, whole in then.items():
        for new in _exact_parts(whole, now, new_sums, into[old]):
            proved[old, new] = _whole(now[new], whole, flows.get((old, new)), inner_is_new=True)
    for new, whole in now.items():
        for old in _exact_parts(whole, then, old_sums, come[new]):
            proved[old, new] = _whole(then[old], whole, flows.get((old, new)), inner_is_new=False)
    return proved


def _exact_parts(
    whole: Inventory, others: Mapping[str, Inventory], by_sum: _BySum, inside: Mapping[str, float]
) -> tuple[str, ...]:
    """Those of `others` that hold together exactly the documents of `whole`; none where the sums tell of no such set.

    Tried are all that share something with it, and those of them that mostly lie in it; each also with one more, for a
    part may be too small for the samples.
    """
    for chosen in ({d for d, f in inside.items() if f > 0}, {d for d, f in inside.items() if f >= HALF}):
        for extra in _missing_part(whole, others, by_sum, chosen):
            return tuple(sorted(chosen | extra))
    return ()


def _missing_part(
    whole: Inventory, others: Mapping[str, Inventory], by_sum: _BySum, chosen: Iterable[str]
) -> Iterator[set[str]]:
    """The one further domain, or none, that completes `chosen` to `whole`."""
    chosen = {d for d in chosen if others[d].tokenizer == whole.tokenizer}
    documents = whole.documents - sum(others[d].documents for d in chosen)
    total = (whole.total - sum(others[d].total for d in chosen)) % SUM_MODULUS
    if not chosen:
        return
    if (documents, total) == (0, 0):
        yield set()
    yield from ({name} for name in by_sum.get((documents, total, whole.tokenizer), ()) if name not in chosen)


def _by_sum(inventories: Mapping[str, Inventory]) -> _BySum:
    table: _BySum = {}
    for name, inventory in sorted(inventories.items()):
        table.setdefault((inventory.documents, inventory.total, inventory.tokenizer), []).append(name)
    return table


def _whole(inner: Inventory, outer: Inventory, estimate: Flow | None, *, inner_is_new: bool) -> Flow:
    """The flow between `outer` and a domain that lies in it whole."""
    tokens, documents = inner.tokens / max(outer.tokens, 1), inner.documents / max(outer.documents, 1)
    return Flow(
        of_old=tokens if inner_is_new else 1.0,
        of_new=1.0 if inner_is_new else tokens,
        documents_of_old=documents if inner_is_new else 1.0,
        documents_of_new=1.0 if inner_is_new else documents,
        files=estimate.files if estimate else 0,
        exact=True,
        proved=True,
    )
