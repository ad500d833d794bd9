"""The files of a ledger: their names, and their text.

    r1-HASH.json      the first result of a run
    r1-HASH.2.json    a later result of the same run that differs from those before
    t1-HASH.json      the first result is tainted, and why
    t1-HASH.2.json    the second is

`:` is not allowed in file names everywhere, so keys are written with `-`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from olmixctl.errors import IntegrityError, Place
from olmixctl.fingerprint import canonical_json, sha256_hex
from olmixctl.ledger.model import RunRecord

__all__ = [
    "Attempt",
    "Taint",
    "attempt_of",
    "check_text",
    "dump_run",
    "dump_taint",
    "parse_run",
    "parse_taint",
    "read_run",
    "run_name",
    "taint_name",
    "taint_of",
]

_RUN = re.compile(r"(r\d+)-([^.]+?)(?:\.([2-9]|[1-9]\d+))?\.json")
_TAINT = re.compile(r"t1-([^.]+?)(?:\.([2-9]|[1-9]\d+))?\.json")

_REMEDY = "restore the file from Git, or delete it: the next apply trains that run again"


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One result of a run: its key, and its number from 1."""

    key: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Taint:
    """A result that must not be used.

    Attributes:
        attempt: which.
        reason: why, in a person's words.
        finding: `RunRecord.finding` of the result, so that the file says which measurement was meant.
    """

    attempt: Attempt
    reason: str
    finding: str


def run_name(attempt: Attempt) -> str:
    """The file of a result."""
    return f"{attempt.key.replace(':', '-')}{_number(attempt)}.json"


def taint_name(attempt: Attempt) -> str:
    """The file that taints a result."""
    return f"t1-{attempt.key.partition(':')[2]}{_number(attempt)}.json"


def attempt_of(name: str) -> Attempt | None:
    """The result in the file `name`; None when it is no run file."""
    found = _RUN.fullmatch(name)
    return Attempt(f"{found[1]}:{found[2]}", int(found[3] or 1)) if found else None


def taint_of(name: str) -> Attempt | None:
    """The result that the file `name` taints; None when it is no taint file."""
    found = _TAINT.fullmatch(name)
    return Attempt(f"r1:{found[1]}", int(found[2] or 1)) if found else None


def _number(attempt: Attempt) -> str:
    return f".{attempt.number}" if attempt.number > 1 else ""


def dump_run(record: RunRecord) -> str:
    """The text of a run file: JSON, sorted, indented, with the record's own digest."""
    return json.dumps(record.body() | {"digest": record.digest}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse_run(raw: bytes, name: str, shown: str) -> RunRecord:
    """Read and check the content of a run file.

    Args:
        raw: the content.
        name: of the file.
        shown: the file, for people.

    Raises:
        IntegrityError: it is not whole, or was altered since it was written.
    """
    try:
        body = json.loads(raw.decode())
        stated = body.pop("digest")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        why = error if isinstance(error, ValueError) else "no object with a digest"
        raise _damage(f"the run file is truncated or not JSON ({why})", shown) from error
    try:
        record = RunRecord.from_body(body)
    except IntegrityError as error:
        raise IntegrityError(error.message, place=Place(shown), remedy=error.remedy or _REMEDY) from error
    attempt = attempt_of(name)
    if attempt is None or attempt.key != record.key:
        raise _damage(f"the file is named for another run: it holds {record.key}", shown)
    if record.digest != stated:
        raise _damage("the run file was altered after it was written: its digest does not match its content", shown)
    check_text(raw, dump_run(record), shown, _REMEDY)
    return record


def read_run(path: Path) -> RunRecord:
    """Read and check one run file on a disk.

    Raises:
        IntegrityError: it is not whole, or was altered since it was written.
    """
    return parse_run(path.read_bytes(), path.name, str(path))


def dump_taint(taint: Taint) -> str:
    """The text of a taint file."""
    body = _taint_body(taint)
    return json.dumps(body | {"digest": _digest(body)}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse_taint(raw: bytes, name: str, shown: str) -> Taint:
    """Read and check the content of a taint file.

    Raises:
        IntegrityError: it is not whole, was altered, or is named for another run.
    """
    remedy = "restore the file from Git, or delete it and taint the run again"
    try:
        body = json.loads(raw.decode())
        stated = body.pop("digest")
        taint = Taint(
            attempt=Attempt(str(body["key"]), int(body["attempt"])), reason=body["reason"], finding=body["finding"]
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise IntegrityError(
            f"the taint file is truncated or malformed ({error})", place=Place(shown), remedy=remedy
        ) from error
    if body != _taint_body(taint) or stated != _digest(body):
        raise IntegrityError("the taint file was altered after it was written", place=Place(shown), remedy=remedy)
    if taint_name(taint.attempt) != name:
        raise IntegrityError(
            f"the file is named for another run: it taints {taint.attempt.key}", place=Place(shown), remedy=remedy
        )
    check_text(raw, dump_taint(taint), shown, remedy)
    return taint


def _taint_body(taint: Taint) -> dict[str, object]:
    return {
        "taint_version": 1,
        "key": taint.attempt.key,
        "attempt": taint.attempt.number,
        "reason": taint.reason,
        "finding": taint.finding,
    }


def _digest(body: dict[str, object]) -> str:
    return "sha256:" + sha256_hex(canonical_json(body))


def check_text(raw: bytes, text: str, shown: str, remedy: str) -> None:
    """The bytes are those that are written for the content: JSON that says a thing twice shows people the other one.

    Raises:
        IntegrityError: they are not.
    """
    if raw == text.encode():
        return
    if raw.startswith(b"\xef\xbb\xbf"):
        raise IntegrityError(
            "it starts with a byte-order mark, which an editor put there", place=Place(shown), remedy=remedy
        )
    if raw.replace(b"\r\n", b"\n") == text.encode():
        raise IntegrityError(
            "its line ends are CRLF, and it was written with LF: a checkout or an editor converted them",
            place=Place(shown),
            remedy="put `*.runs/** text eol=lf` into .gitattributes (`olmixctl init` does), remove the file, and check "
            "it out again: `git checkout -- FILE`",
        )
    raise IntegrityError(
        "it was written anew in another form, or says a thing twice", place=Place(shown), remedy=remedy
    )


def _damage(message: str, shown: str) -> IntegrityError:
    return IntegrityError(message, place=Place(shown), remedy=_REMEDY)
