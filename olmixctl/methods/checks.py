"""What `verify` says: a list of checks, each passed, failed, or not possible here."""

from __future__ import annotations

from dataclasses import dataclass

from olmixctl.lock.model import Lock

__all__ = ["Verification", "VerifyCheck"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyCheck:
    """One thing that was checked; `detail` says what was found. `ok` is None where it could not be checked here."""

    name: str
    ok: bool | None
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """All checks of a lock."""

    lock: Lock
    checks: tuple[VerifyCheck, ...]

    @property
    def ok(self) -> bool:
        """No check failed."""
        return all(check.ok is not False for check in self.checks)

    @property
    def sound(self) -> bool:
        """The lock holds together, so that more can be asked of it."""
        return all(check.ok for check in self.checks if check.name == "shape")
