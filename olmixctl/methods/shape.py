"""Does a lock hold together: the parts that name each other do, and every field has the kind of value it should.

A lock whose integrity line was made anew may hold anything; what follows here reads it as if it were sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from olmixctl.lock.codec import lock_as_json
from olmixctl.lock.model import Lock
from olmixctl.methods.checks import VerifyCheck
from olmixctl.spec.schema import load_schema, violations

__all__ = ["shape_check"]

_SHOWN = 3


def shape_check(lock: Lock) -> VerifyCheck:
    """One check for the whole shape."""
    wrong = [*_schema(lock), *_references(lock)]
    detail = "; ".join(wrong[:_SHOWN]) if wrong else "every field is there and of its kind"
    return VerifyCheck(name="shape", ok=not wrong, detail=detail)


def _schema(lock: Lock) -> Iterator[str]:
    try:
        document: dict[str, Any] = lock_as_json(lock)
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        yield f"a field is of the wrong kind ({error})"
        return
    schema = load_schema("lock")
    # Digest and inputs are the same text in another form; both are checked where they are read.
    body = {key: value for key, value in document.items() if key not in ("digest", "inputs")}
    known = {**schema, "required": [name for name in schema["required"] if name not in ("inputs", "integrity")]}
    for found in violations(body, known):
        yield f"{'.'.join(str(part) for part in found.path)}: {found.message}"


def _references(lock: Lock) -> Iterator[str]:
    if set(lock.weights) != set(lock.domains):
        yield "weights and domains name different domains"
    named = {record.block for record in lock.domains.values() if record.block is not None}
    if named != set(lock.blocks):
        yield "domains and blocks name different blocks"
    for name in lock.blocks:
        if not any(record.share for record in lock.domains.values() if record.block == name):
            yield f"no member of block {name} has a share"
    yield from (f"{d} has no tokens" for d, record in lock.domains.items() if not record.tokens)
    yield from (
        f"{d} has a share and no block" for d, r in lock.domains.items() if (r.share is None) != (r.block is None)
    )
    if set(lock.uncertainty) - set(lock.weights):
        yield "an interval of a domain that is not in the mix"
    if set(lock.predicted) - set(lock.evals):
        yield "predictions of a metric that is not measured"
