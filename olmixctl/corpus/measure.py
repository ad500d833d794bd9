"""Domains as they are now: files, counts and fingerprints, from the cache where nothing changed.

    olx1  where documents lie: the sorted (path, size, digest, tokens) of the files, tokenizer and options
    olc1  which documents there are: their number and the sum of their digests, tokenizer and options

Two steps are remembered: a file (by url, size, times, inode) and a whole domain (by the list of its files), so a
mix in which nothing changed costs a directory listing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from olmixctl.corpus.cache import CacheKey
from olmixctl.corpus.context import CorpusContext
from olmixctl.corpus.discover import Found, declared_path, discover, is_remote, stamp_of
from olmixctl.corpus.documents import Source
from olmixctl.corpus.formats import BLOCK_TOKENS
from olmixctl.corpus.index import put_scans
from olmixctl.corpus.inputs import DeclarationError, DeclaredDomain
from olmixctl.corpus.model import DomainState, FileState
from olmixctl.corpus.packed import PackedFiles, pack_files
from olmixctl.corpus.pool import run_parallel
from olmixctl.corpus.scan import FileScan, file_digest, scan_file, worth_processes
from olmixctl.corpus.tokenizer import Tokenizer
from olmixctl.errors import CorpusError, Place
from olmixctl.fingerprint import digest
from olmixctl.inventory import SUM_MODULUS, content_digest

__all__ = ["declared_state", "measure_domains", "rehash"]

_FileName = tuple[str, str]  # url and relative path
_VERSION = "1"  # of what is cached; raised when a reader changes what it finds
_DOMAIN_VERSION = "3"  # the same for whole domains
_LISTED_AT_ONCE = 64  # domains
_RACY_NS = 50_000_000  # a file changed this recently may change again within one tick of the clock it is stamped by
_SAVE_EVERY_SECONDS = 5.0


def measure_domains(domains: Sequence[DeclaredDomain], context: CorpusContext) -> dict[str, DomainState]:
    """The state of each domain, by id; declared ones are not read.

    Raises:
        DeclarationError: a path matches nothing, or one file stands in two domains.
        CorpusError: a file is wrong or unreadable.
        OlmixctlError: the disk that keeps the cache is full or fails (one that may not be written is done without).
    """
    states = {d.id: declared_state(d) for d in domains if d.declared is not None}
    read = {d.id: d for d in domains if d.declared is None}
    changed: dict[str, tuple[Found, ...]] = {}
    identities: set[str | int] = set()
    count = 0
    # A few domains at once: the listing of one in which nothing changed is done with when its state is known.
    for ids in _batches(list(read)):
        listings = {id_: _discover(read[id_], context) for id_ in ids}
        identities.update(f.identity for found in listings.values() for f in found)
        count += sum(map(len, listings.values()))
        states |= _kept_states({id_: (read[id_], found) for id_, found in listings.items()}, context)
        changed |= {id_: found for id_, found in listings.items() if id_ not in states}
    if len(identities) < count:
        _refuse_overlap(read, context)
    states |= _measure_changed(changed, read, context)
    return {d.id: states[d.id] for d in domains}


def _batches(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + _LISTED_AT_ONCE] for start in range(0, len(ids), _LISTED_AT_ONCE))


def _discover(domain: DeclaredDomain, context: CorpusContext) -> tuple[Found, ...]:
    return discover(domain.paths, context.root, dtype=domain.dtype, address=f"domains.{domain.id}")


def _kept_states(
    listings: Mapping[str, tuple[DeclaredDomain, tuple[Found, ...]]], context: CorpusContext
) -> dict[str, DomainState]:
    """The states of those domains whose listing is the one their state was kept under."""
    keys = {id_: _domain_key(domain, context) for id_, (domain, _) in listings.items()}
    stamps = {keys[id_]: _listing_stamp(found) for id_, (_, found) in listings.items()}
    kept = context.cache.get({key: stamp for key, stamp in stamps.items() if stamp})
    return {id_: _decode(id_, kept[key]) for id_, key in keys.items() if key in kept}


def _measure_changed(
    changed: Mapping[str, tuple[Found, ...]], domains: Mapping[str, DeclaredDomain], context: CorpusContext
) -> dict[str, DomainState]:
    if not changed:
        return {}
    files = _measure_files([f for found in changed.values() for f in found], context)
    fresh = {id_: _combine(id_, [files[_file_name(f)] for f in found], context) for id_, found in changed.items()}
    context.cache.put(
        (_domain_key(domains[id_], context), _listing_stamp(changed[id_]), _encode(state))
        for id_, state in fresh.items()
        if _settled(changed[id_])
    )
    return fresh


def declared_state(domain: DeclaredDomain) -> DomainState:
    """A declared domain: its revision and counts are its identity.

    Raises:
        CorpusError: the domain declares nothing.
    """
    declared = domain.declared
    if declared is None:
        raise CorpusError(f"domain {domain.id} declares no revision", remedy="add `declared`, or measure its files")
    value = {"declared": declared.revision, "tokens": declared.tokens, "documents": declared.documents}
    return DomainState(
        id=domain.id,
        fingerprint=digest(value, prefix="olx1"),
        content=digest(value, prefix="olc1"),
        tokens=declared.tokens,
        documents=declared.documents,
    )


def rehash(state: DomainState, context: CorpusContext) -> tuple[str, ...]:
    """Reads every file of a domain again, whatever the cache says; the paths that drifted or are gone."""

    def drifted(file: FileState) -> bool:
        try:
            return file_digest(file.url, context.source(file).shown) != file.digest
        except CorpusError:
            return True

    results = run_parallel(drifted, state.files, workers=context.parallel)
    return tuple(file.path for file, bad in zip(state.files, results, strict=True) if bad)


def _refuse_overlap(domains: Mapping[str, DeclaredDomain], context: CorpusContext) -> None:
    """Says which file stands in two domains, once it is known that one does."""
    owner: dict[str | int, str] = {}
    for id_, domain in sorted(domains.items()):
        for file in _discover(domain, context):
            other = owner.setdefault(file.identity, id_)
            if other != id_:
                address = declared_path(file, domain.paths, context.root, dtype=domain.dtype, address=f"domains.{id_}")
                raise DeclarationError(
                    f"the file stands in two domains, {other} and {id_}",
                    address=address,
                    place=Place(file.shown),
                    remedy="narrow the paths of one of them: a document trains in one domain only",
                )


def _listing_stamp(found: Iterable[Found]) -> str:
    """Empty, and so never kept, when any file's own stamp is."""
    named = [(f.path, f.url, f.stamp) for f in found]
    return "\0".join(chain.from_iterable(named)) if all(stamp for _, _, stamp in named) else ""


def _settled(found: Iterable[Found]) -> bool:
    return all(_is_settled(f) for f in found)


def _is_settled(file: Found) -> bool:
    """Whether the stamp would change if the file did: known, and older than the clock tick it counts in."""
    if is_remote(file.url):
        return bool(file.stamp)
    changed = max(int(part) for part in file.stamp.split(":")[1:3])
    return time.time_ns() - changed > _RACY_NS


def _domain_key(domain: DeclaredDomain, context: CorpusContext) -> CacheKey:
    return ("domain", _DOMAIN_VERSION, domain.id, domain.dtype or "", context.tokenizer.digest)


def _measure_files(found: Sequence[Found], context: CorpusContext) -> dict[_FileName, _Measured]:
    """Each file's row: from the cache, or read now and kept as reading goes on, so an interrupt loses little."""
    keys = {f: ("file", _VERSION, f.url, str(f.format), context.tokenizer.digest) for f in found}
    kept = context.cache.get({key: f.stamp for f, key in keys.items() if f.stamp})
    rows = {_file_name(f): _Measured.decode(f, kept[key]) for f, key in keys.items() if key in kept}
    unread = [f for f in found if _file_name(f) not in rows]
    total, done, saved = sum(f.size for f in unread), 0, time.monotonic()
    unsaved: list[tuple[Found, FileScan]] = []

    def save() -> None:
        put_scans([scan for _, scan in unsaved], context)
        context.cache.put((keys[f], f.stamp, rows[_file_name(f)].encode()) for f, _ in unsaved if _is_settled(f))
        unsaved.clear()

    try:
        for file, scan in zip(unread, _scan_all(unread, context), strict=True):
            rows[_file_name(file)] = _Measured.of(file, scan)
            unsaved.append((file, scan))
            done += file.size
            context.on_progress(done, total)
            if time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                save()
                saved = time.monotonic()
    finally:
        save()
    return rows


def _scan_all(found: Sequence[Found], context: CorpusContext) -> Iterator[FileScan]:
    processes = worth_processes(((f.url, f.size, f.format) for f in found), context)
    return run_parallel(partial(_scan, context.tokenizer), found, workers=context.parallel, processes=processes)


def _scan(tokenizer: Tokenizer, file: Found) -> FileScan:
    """Reads a file; that it changed meanwhile is said first, since what was found wrong with it may be its half."""
    try:
        result = scan_file(Source(file.url, file.shown, file.format), tokenizer)
    except CorpusError as error:
        if _changed(file):
            raise _changed_error(file) from error
        raise
    if _changed(file):
        raise _changed_error(file)
    return result


def _changed(file: Found) -> bool:
    return not is_remote(file.url) and stamp_of(file.url) != file.stamp


def _changed_error(file: Found) -> CorpusError:
    return CorpusError("the file changed while it was read", place=Place(file.shown), remedy="run the command again")


def _combine(id_: str, rows: Sequence[_Measured], context: CorpusContext) -> DomainState:
    files = tuple(row.state for row in rows)
    tokenizer = context.tokenizer.digest
    options = {"block_tokens": BLOCK_TOKENS, "formats": sorted({f.format for f in files})}
    listing = [[f.path, f.size, f.digest, f.tokens] for f in files]
    documents = sum(f.documents for f in files)
    total = sum(row.total for row in rows) % SUM_MODULUS
    return DomainState(
        id=id_,
        fingerprint=digest({"files": listing, "tokenizer": tokenizer, "options": options}, prefix="olx1"),
        content=content_digest(documents, total, tokenizer),
        tokens=sum(f.tokens for f in files),
        documents=documents,
        files=files,
        total=total,
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """A file's state and the sum of its document digests."""

    state: FileState
    total: int

    @classmethod
    def of(cls, found: Found, scan: FileScan) -> _Measured:
        state = FileState(
            path=found.path,
            url=found.url,
            size=found.size,
            digest=scan.digest,
            tokens=scan.tokens,
            documents=scan.documents,
            format=str(found.format),
        )
        return cls(state, scan.total)

    def encode(self) -> bytes:
        return json.dumps([self.state.digest, self.state.tokens, self.state.documents, f"{self.total:x}"]).encode()

    @classmethod
    def decode(cls, found: Found, value: bytes) -> _Measured:
        digest_, tokens, documents, total = json.loads(value)
        state = FileState(
            path=found.path,
            url=found.url,
            size=found.size,
            digest=digest_,
            tokens=tokens,
            documents=documents,
            format=str(found.format),
        )
        return cls(state, int(total, 16))


def _file_name(found: Found) -> _FileName:
    return found.url, found.path


def _encode(state: DomainState) -> bytes:
    total = None if state.total is None else f"{state.total:x}"
    head = [state.fingerprint, state.content, state.tokens, state.documents, total, len(state.files)]
    return json.dumps(head).encode() + b"\n" + pack_files(state.files)


def _decode(id_: str, value: bytes) -> DomainState:
    head, _, packed = value.partition(b"\n")
    fingerprint, content, tokens, documents, total, count = json.loads(head)
    return DomainState(
        id=id_,
        fingerprint=fingerprint,
        content=content,
        tokens=tokens,
        documents=documents,
        files=PackedFiles(count, packed),
        total=None if total is None else int(total, 16),
    )
