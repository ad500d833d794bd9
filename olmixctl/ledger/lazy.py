"""A ledger of which only the keys are read until a run is asked for: a plan with nothing to do needs no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import Ledger

__all__ = ["LazyRecords"]


class LazyRecords(Mapping[str, RunRecord]):
    """`Ledger.records()` as a mapping; files are read, all at once, with the first look at a value.

    Args:
        ledger: its names are listed when the first key is asked for, once.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @cached_property
    def _keys(self) -> frozenset[str]:
        return self._ledger.usable_keys()

    @cached_property
    def _records(self) -> dict[str, RunRecord]:
        return self._ledger.records()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._keys))

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, key: str) -> RunRecord:
        """The run under `key`.

        Raises:
            KeyError: there is none.
            IntegrityError: a file is truncated, altered or of another version.
        """
        return self._records[key]
