"""The version, in one place: the package, the lock and the build read it here."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
