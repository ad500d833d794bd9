"""Canonical JSON and the digests made of it.

One value has one text: keys sorted, no white space, whole numbers and strings only where identity matters
(floats are written by their shortest exact form). What is hashed is always a typed allow-list of fields, and every
digest carries the version of the algorithm that made it.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

__all__ = ["canonical_json", "digest", "sha256_hex"]


def canonical_json(value: Any) -> str:  # noqa: ANN401  (any JSON value)
    """The one text of a JSON value.

    Raises:
        ValueError: a number is not finite.
        TypeError: the value is not JSON (sets, paths, arrays …).
    """
    return json.dumps(_normal(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_hex(data: bytes | str) -> str:
    """SHA-256 of bytes, or of UTF-8 text, in hex."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def digest(value: Any, *, prefix: str) -> str:  # noqa: ANN401  (any JSON value)
    """`prefix:` and the SHA-256 of the value's canonical JSON; the prefix names algorithm and version."""
    return f"{prefix}:{sha256_hex(canonical_json(value))}"


def _normal(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value!r} has no canonical form")
        # 1.0 and 1 are the same number and must not differ in a digest.
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    # Most values are texts: to pass them by here halves the time.
    if isinstance(value, dict):
        return {str(k): v if type(v) is str else _normal(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [v if type(v) is str else _normal(v) for v in value]
    return value
