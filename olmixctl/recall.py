"""What the ledger remembers of the data behind a lock, for telling what changed; kept by apply, asked by plan.

With nothing changed no inventory is read or taken: contents are compared first, and only domains that differ need more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from olmixctl.errors import OlmixctlError
from olmixctl.ledger.inventories import missing_inventories, put_inventory, read_inventories
from olmixctl.lock.model import Lock
from olmixctl.lock.regrouped import Regrouped
from olmixctl.plan.identity import to_compare
from olmixctl.plan.model import Compared, Observed
from olmixctl.plan.origins import find_origins, to_tell

if TYPE_CHECKING:
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.inventory import Inventory
    from olmixctl.ledger.home import Home

__all__ = ["LedgerOrigins", "keep_inventories", "with_inventories"]


def with_inventories(observed: Observed, lock: Lock | None, home: Home, context: CorpusContext) -> Observed:
    """`observed` with the inventories of what differs from `lock`, as far as they are known.

    Raises:
        OlmixctlError: the ledger cannot be read.
        CorpusError: a file changed since it was measured.
    """
    from olmixctl.corpus.inventories import take_inventory

    olds, news = to_compare(observed, lock) if lock else ((), ())
    if lock is None or not olds:
        return observed
    fingerprints = {lock.domains[old].fingerprint: old for old in olds}
    found, damaged = read_inventories(home, fingerprints)
    # A damaged or foreign file must not speak for the lock's documents.
    then = {old: found[f] for f, old in fingerprints.items() if f in found}
    then = {old: inventory for old, inventory in then.items() if inventory.content == lock.domains[old].content}
    taken = {new: take_inventory(observed.states[new], context) for new in news} if then else {}
    now = {new: inventory for new, inventory in taken.items() if inventory is not None}
    compared = Compared(then=then, now=now, damaged={fingerprints[f]: why for f, why in damaged.items()})
    return replace(observed, compared=compared)


def keep_inventories(observed: Observed, home: Home, context: CorpusContext) -> None:
    """Keep an inventory of every domain that is read; those that are there are not touched.

    Raises:
        OlmixctlError: the ledger cannot be written.
        CorpusError: a file changed since it was measured.
    """
    from olmixctl.corpus.inventories import take_inventory

    read = {state.fingerprint: state for state in observed.states.values() if state.files}
    for fingerprint in sorted(missing_inventories(home, read) if read else ()):
        if inventory := take_inventory(read[fingerprint], context):
            put_inventory(home, inventory)


class LedgerOrigins:
    """What was split or merged between two locks (`lock.regrouped.Origins`), told from the inventories of a ledger.

    Args:
        home: finds where the ledger's files are; called only for domains that two locks cannot relate by themselves.
    """

    def __init__(self, home: Callable[[], Home]) -> None:
        self._home = home
        self._known: dict[str, Inventory] = {}
        self._asked: set[str] = set()
        self.problem = ""
        """Why the ledger could not be read; nothing is told of what it would have to say."""

    def __call__(self, before: Lock, after: Lock) -> tuple[Regrouped, ...]:
        """See `Origins`."""
        olds, news = to_tell(before, after)
        wanted = {*olds.values(), *news.values()} - self._asked
        self._asked |= wanted
        try:
            found, _ = read_inventories(self._home(), sorted(wanted)) if wanted else ({}, {})
        except OlmixctlError as error:
            self.problem = error.message
            return ()
        self._known |= found
        return find_origins(before, after, self._known)
