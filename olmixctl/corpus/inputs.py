"""What the corpus layer asks of a declared domain and eval: only the fields that say what the data is.

Shares, bounds, tags, owners and weights are none of its business, so it cannot depend on them.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["DeclaredDomain", "DeclaredEval", "DeclaredIdentity", "Progress"]


class Progress(Protocol):
    """Called with the bytes (or tokens) done and the total, from any thread, at least once when there is work."""

    def __call__(self, done: int, total: int, /) -> None: ...


class DeclaredIdentity(Protocol):
    """A domain's declared revision and counts."""

    @property
    def tokens(self) -> int: ...

    @property
    def documents(self) -> int | None: ...

    @property
    def revision(self) -> str: ...


class DeclaredDomain(Protocol):
    """A leaf as the mix file declares it (`spec.DomainSpec` is one)."""

    @property
    def id(self) -> str: ...

    @property
    def paths(self) -> tuple[str, ...]: ...

    @property
    def dtype(self) -> str | None: ...

    @property
    def declared(self) -> DeclaredIdentity | None: ...


class DeclaredEval(Protocol):
    """A metric as the mix file declares it (`spec.EvalSpec` is one)."""

    @property
    def name(self) -> str: ...

    @property
    def paths(self) -> tuple[str, ...]: ...

    @property
    def heldout(self) -> tuple[str, ...]: ...

    @property
    def fraction(self) -> float | None: ...

    @property
    def max_tokens(self) -> int: ...
