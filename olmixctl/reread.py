"""The data read again and compared: with the lock (`verify --deep`), and with what is declared (`plan --refresh`).

A declared domain is identified by its revision and counts, because machines that plan may not reach its data. Its
content digest is made of these, so it says nothing of the documents: where the files can be read, tokens and documents
are counted and compared. That the revision names these very files stays a claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from olmixctl.errors import OlmixctlError
from olmixctl.methods.checks import VerifyCheck
from olmixctl.plan.model import Check
from olmixctl.report.numbers import plural

if TYPE_CHECKING:
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.corpus.model import DomainState
    from olmixctl.inventory import Inventory
    from olmixctl.lock.model import Lock
    from olmixctl.spec.model import DeclaredSpec, DomainSpec, MixSpec

__all__ = ["Counted", "cache_checks", "count_declared", "data_checks", "refresh_checks"]

_NAMED = 5
"""Drifted files that a check names; their number is always said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """A declared domain, counted where it can be read.

    Attributes:
        domain: id.
        declared: what the mix file says.
        state: what its files hold; None where they cannot be read here.
        unreadable: why not.
    """

    domain: str
    declared: DeclaredSpec
    state: DomainState | None
    unreadable: str = ""

    @property
    def agrees(self) -> bool:
        """Counts are those declared; documents only where they are declared."""
        if self.state is None:
            return False
        documents = self.declared.documents in (None, self.state.documents)
        return documents and self.declared.tokens == self.state.tokens

    def in_words(self) -> str:
        """What was found, beside what is declared."""
        if self.state is None:
            return f"declared, and not read here: {self.unreadable}"
        found = _counts(self.state.tokens, None if self.declared.documents is None else self.state.documents)
        if self.agrees:
            return f"the files hold the {found} declared; that they are revision {self.declared.revision} is a claim"
        return f"{_counts(self.declared.tokens, self.declared.documents)} are declared, the files hold {found}"

    def block(self) -> str:
        """The `declared` entry that the files ask for."""
        assert self.state is not None, "what cannot be read asks for nothing"
        documents = "" if self.declared.documents is None else f"documents: {self.state.documents}, "
        return f'declared: {{tokens: {self.state.tokens}, {documents}revision: "{self.declared.revision}"}}'


def count_declared(domains: Sequence[DomainSpec], context: CorpusContext) -> Iterator[Counted]:
    """Each declared domain of `domains`, counted; one that cannot be read does not stop the others."""
    from olmixctl.corpus import measure_domains

    for domain in domains:
        if domain.declared is None:
            continue
        try:
            state = measure_domains([replace(domain, declared=None)], context)[domain.id]
        except OlmixctlError as error:
            place = f"{error.place}: " if error.place else ""
            yield Counted(domain=domain.id, declared=domain.declared, state=None, unreadable=f"{place}{error.message}")
        else:
            yield Counted(domain=domain.id, declared=domain.declared, state=state)


def refresh_checks(spec: MixSpec, context: CorpusContext) -> tuple[Check, ...]:
    """For a plan: declared counts that differ from the files block it, all else is a note; never silence."""
    found = tuple(_refreshed(counted) for counted in count_declared(spec.domains, context))
    nothing = Check(level="note", name="declared", message="--refresh: no domain is declared, all were measured")
    return found or (nothing,)


def cache_checks(context: CorpusContext) -> tuple[Check, ...]:
    """For a plan: that what was read is forgotten, where the cache cannot be kept."""
    if not context.cache.unavailable:
        return ()
    message = f"fingerprints are kept for this command only: {context.cache.unavailable}"
    return (Check(level="note", name="cache", message=message, remedy="make .olmixctl writable; applying needs it"),)


def data_checks(
    spec: MixSpec, lock: Lock, context: CorpusContext, inventories: Mapping[str, Inventory]
) -> list[VerifyCheck]:
    """Every file read again, whatever the cache says, and compared with the lock.

    Args:
        spec: the mix file.
        lock: what was decided.
        context: how data is read.
        inventories: fingerprint → what the data was, to name the files that drifted since.

    Raises:
        CorpusError: data that is not declared cannot be read.
    """
    from olmixctl.corpus import measure_domains

    domains = [domain for domain in spec.domains if domain.id in lock.domains]
    states = measure_domains(domains, context)
    checks = []
    for domain in domains:
        if domain.declared is None:
            record = lock.domains[domain.id]
            ok, detail = _compared(lock, states[domain.id], context, inventories.get(record.fingerprint))
            checks.append(VerifyCheck(name=f"data {domain.id}", ok=ok, detail=detail))
    for counted in count_declared(domains, context):
        agrees = None if counted.state is None else counted.agrees
        checks.append(VerifyCheck(name=f"data {counted.domain}", ok=agrees, detail=counted.in_words()))
    return [*checks, _evals(spec, lock, states, context)]


def _refreshed(counted: Counted) -> Check:
    message = f"{counted.domain}: {counted.in_words()}"
    if counted.state is None or counted.agrees:
        return Check(level="note", name="declared", message=message)
    return Check(
        level="block",
        name="declared",
        message=message,
        remedy=f"if the files are right, write under domains.{counted.domain}, with their revision: {counted.block()}",
    )


def _compared(lock: Lock, state: DomainState, context: CorpusContext, inventory: Inventory | None) -> tuple[bool, str]:
    from olmixctl.corpus import rehash

    record = lock.domains[state.id]
    # The cache may believe a file that was changed under its old size and times.
    altered = set(rehash(state, context))
    drifted = sorted(altered | _differences(state, inventory))
    named = f"{', '.join(drifted[:_NAMED])}{f' and {len(drifted) - _NAMED} more' if len(drifted) > _NAMED else ''}"
    if state.content != record.content:
        files = f": {named}" if drifted else "; which files differ is not known without its inventory"
        return False, f"its documents are not those of the lock ({record.tokens:,} → {state.tokens:,} tokens){files}"
    if altered:
        return False, f"files differ from what was read before: {named}"
    if (record.tokens, record.documents) != (state.tokens, state.documents):
        held = _counts(state.tokens, state.documents)
        return False, f"the lock says {_counts(record.tokens, record.documents)}, the files hold {held}"
    moved = f"; the same documents in other files: {named}" if drifted else ""
    return True, f"{plural(len(state.files), 'file')} read again{moved}"


def _differences(state: DomainState, inventory: Inventory | None) -> set[str]:
    """Paths that are there on one side only, or hold something else."""
    from olmixctl.corpus.inventories import short_digest

    if inventory is None:
        return set()
    now = {(file.path, short_digest(file.digest)) for file in state.files}
    then = {(file.path, file.digest) for file in inventory.files}
    return {path for path, _ in now ^ then}


def _evals(spec: MixSpec, lock: Lock, states: Mapping[str, DomainState], context: CorpusContext) -> VerifyCheck:
    from olmixctl.corpus import measure_evals

    try:
        found = measure_evals(spec.evals, states, context)
    except OlmixctlError as error:
        return VerifyCheck(name="data evals", ok=None, detail=f"not read here: {error.message}")
    wrong = sorted(name for name, state in found.items() if lock.evals.get(name) != state.digest)
    detail = (
        f"{', '.join(wrong)} score something else than the lock's"
        if wrong
        else f"{plural(len(found), 'eval')}, scoring what they did"
    )
    return VerifyCheck(name="data evals", ok=not wrong, detail=detail)


def _counts(tokens: int, documents: int | None) -> str:
    return f"{tokens:,} tokens" + ("" if documents is None else f" and {documents:,} documents")
