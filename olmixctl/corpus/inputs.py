"""What the corpus layer asks of a declared domain and eval: only the fields that say what the data is.

Shares, bounds, tags, owners and weights are none of its business, so it cannot depend on them.
"""

from __future__ import annotations

from typing import Protocol

from olmixctl.errors import CorpusError, Place

__all__ = ["DeclarationError", "DeclaredDomain", "DeclaredEval", "DeclaredIdentity", "Progress"]


class DeclarationError(CorpusError):
    """The data is not what was declared of it, so the remedy is in the declaration as often as in the data.

    Args:
        message: what is wrong, with what was found.
        address: where in the declaration, as `spec.LoadedMix.place` takes it: `domains.web/health.paths[0]`.
        place: the data file, when it is about one.
        remedy: what to do.
    """

    def __init__(self, message: str, *, address: str, place: Place | None = None, remedy: str = "") -> None:
        super().__init__(message, place=place, remedy=remedy)
        self.address = address

    def __str__(self) -> str:
        """As any error, after the address; who knows the mix file puts its line there (`present.observe`)."""
        return f"{self.address}: {super().__str__()}"

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders."""
        return _declaration_error, (self.message, self.address, self.place, self.remedy)


def _declaration_error(message: str, address: str, place: Place | None, remedy: str) -> DeclarationError:
    return DeclarationError(message, address=address, place=place, remedy=remedy)


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
    def declared(self) -> str | None: ...

    @property
    def fraction(self) -> float | None: ...

    @property
    def max_tokens(self) -> int: ...
