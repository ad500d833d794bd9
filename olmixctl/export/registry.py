"""The trainers that can be exported to. A new one is a module with `render` and `check`, and one line here."""

from __future__ import annotations

from typing import Protocol

from olmixctl.errors import UsageError
from olmixctl.export import as_csv, as_json, hf, megatron, olmo_core
from olmixctl.export.model import ExportMix

__all__ = ["EXPORTERS", "NEEDS_FILES", "Exporter", "find_exporter"]


class Exporter(Protocol):
    """What a trainer's module offers."""

    def render(self, mix: ExportMix) -> str:
        """The mix in the trainer's syntax; deterministic, ends in a line break.

        Raises:
            CorpusError: the trainer needs files or counts that the mix does not have, or cannot take a path.
            UsageError: the requested tokens do not fit the data.
        """
        ...

    def check(self, text: str, mix: ExportMix) -> None:
        """Read `text` as the trainer would, and compare its weights with the mix.

        Raises:
            IntegrityError: it does not parse, or says something else than the lock.
        """
        ...

    def remarks(self, mix: ExportMix) -> tuple[str, ...]:
        """What the person should know and the format has no room for; printed beside the output, not into it."""
        ...


EXPORTERS: dict[str, Exporter] = {
    "csv": as_csv,
    "hf": hf,
    "json": as_json,
    "megatron": megatron,
    "olmo-core": olmo_core,
}


NEEDS_FILES = frozenset({"megatron", "olmo-core"})
"""Formats that name files; the others are written from the lock alone, on machines that cannot read the data."""


def find_exporter(name: str) -> Exporter:
    """The exporter called `name`.

    Raises:
        UsageError: there is none; the formats are listed.
    """
    if name not in EXPORTERS:
        raise UsageError(f"no export format {name!r}", remedy=f"use one of: {', '.join(EXPORTERS)}")
    return EXPORTERS[name]
