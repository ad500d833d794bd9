"""What was decided last: the committed lockfile."""

from __future__ import annotations

from olmixctl.lock.codec import digest_of, dump, parse
from olmixctl.lock.model import Lock
from olmixctl.lock.store import read_lock, write_lock

__all__ = ["Lock", "digest_of", "dump", "parse", "read_lock", "write_lock"]
