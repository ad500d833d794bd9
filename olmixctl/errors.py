"""Every error a user can meet, one tree, with its exit code.

    OlmixctlError                1   operational: disk, network, permissions
    ├── SpecError                1   the mix file is wrong (place, what was found, what to write)
    ├── UsageError              64   the command line is wrong
    ├── CorpusError              1   the data is wrong or unreadable (file and offset)
    ├── MissingExtraError        1   an optional dependency is needed (what to install)
    ├── BlockedError             3   budget, guardrail or protection
    ├── StaleError               4   stale plan, other lineage, other base
    ├── LeaseError               5   held by another apply
    ├── IncompleteError          6   apply stopped; resumable; no lock written
    ├── InfeasibleError          7   the constraints exclude each other
    └── IntegrityError           8   edited lock, missing or altered evidence, drifted data

Anything else that reaches the boundary (`cli/boundary.py`) is a defect of ours and exits 70.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "BlockedError",
    "CorpusError",
    "IncompleteError",
    "InfeasibleError",
    "IntegrityError",
    "LeaseError",
    "MissingExtraError",
    "OlmixctlError",
    "Place",
    "SpecError",
    "StaleError",
    "UsageError",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands; line and column count from 1."""

    file: str
    line: int | None = None
    column: int | None = None
    field: str = ""

    def __str__(self) -> str:
        """`file:line:column`, as editors and terminals link it."""
        parts = [self.file, *(str(n) for n in (self.line, self.column) if n is not None)]
        return ":".join(parts)


class OlmixctlError(Exception):
    """One message with the place, what was found and what to do.

    Args:
        message: what is wrong, with what was found.
        place: where, when it is in a file.
        remedy: what to do, as an instruction.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, place: Place | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        """`place: field: message` and the remedy on a line of its own."""
        head = ""
        if self.place is not None:
            head = f"{self.place}: "
            if self.place.field:
                head += f"{self.place.field}: "
        tail = f"\n  → {self.remedy}" if self.remedy else ""
        return f"{head}{self.message}{tail}"

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders (workers), keyword arguments and all."""
        return _rebuild, (type(self), self.message, self.place, self.remedy)


def _rebuild(cls: type[OlmixctlError], message: str, place: Place | None, remedy: str) -> OlmixctlError:
    return cls(message, place=place, remedy=remedy)


class UsageError(OlmixctlError):
    """The command line is wrong."""

    exit_code = 64


class SpecError(OlmixctlError):
    """The mix file is wrong. Several findings in one file arrive together, as `problems`."""

    def __init__(
        self,
        message: str,
        *,
        place: Place | None = None,
        remedy: str = "",
        problems: tuple[SpecError, ...] = (),
    ) -> None:
        super().__init__(message, place=place, remedy=remedy)
        self.problems = problems or (self,)

    def __str__(self) -> str:
        """All problems, one below the other."""
        if self.problems == (self,):
            return super().__str__()
        return "\n".join(str(p) for p in self.problems)

    @classmethod
    def collect(cls, problems: list[SpecError]) -> SpecError:
        """One error that stands for all of `problems` (at least one)."""
        if len(problems) == 1:
            return problems[0]
        first = problems[0]
        return cls(first.message, place=first.place, remedy=first.remedy, problems=tuple(problems))


class CorpusError(OlmixctlError):
    """The data is wrong or cannot be read."""


class MissingExtraError(OlmixctlError):
    """An optional dependency is needed; the remedy is the install command."""


class BlockedError(OlmixctlError):
    """Budget, guardrail or protection stands in the way."""

    exit_code = 3


class StaleError(OlmixctlError):
    """The plan, its base lock or its data changed since it was made."""

    exit_code = 4


class LeaseError(OlmixctlError):
    """Another apply holds the lease."""

    exit_code = 5


class IncompleteError(OlmixctlError):
    """Apply stopped before the lock; what finished is kept and the next apply continues."""

    exit_code = 6


class InfeasibleError(OlmixctlError):
    """The constraints exclude each other; `conflict` names an irreducible set of them."""

    exit_code = 7

    def __init__(
        self,
        message: str,
        *,
        place: Place | None = None,
        remedy: str = "",
        conflict: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, place=place, remedy=remedy)
        self.conflict = conflict


class IntegrityError(OlmixctlError):
    """A lock edited by hand, evidence missing or altered, data drifted."""

    exit_code = 8
