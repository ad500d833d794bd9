"""Is the text of a lock the one that was written? Judged by its bytes alone, before anything in it is believed.

Git may change a file without changing what it says (line ends, a byte-order mark added by an editor). That is told
from an edit, because its remedy is another.
"""

from __future__ import annotations

from olmixctl.errors import IntegrityError, Place
from olmixctl.fingerprint import sha256_hex

__all__ = ["INTEGRITY", "RESTORE", "check_whole"]

INTEGRITY = "integrity: "
"""The start of the last line: the SHA-256 of all bytes above it follows."""
RESTORE = "restore it from Git (`git checkout -- FILE`), or remove it and run `olmixctl apply` to write a new one"

_LINE_ENDS = (
    "put `*.lock.yaml text eol=lf` and `*.runs/** text eol=lf` into .gitattributes (`olmixctl init` does), then remove "
    "the file and check it out again: `git checkout -- FILE`"
)


def check_whole(text: str, file: str) -> None:
    """Return when the integrity line of `text` fits what stands above it.

    Raises:
        IntegrityError: it does not; line ends and byte-order marks are named as what they are.
    """
    body, marker, stated = text.rpartition(INTEGRITY)
    if marker and stated == f"sha256:{sha256_hex(body)}\n":
        return
    if text.startswith("\ufeff"):
        raise IntegrityError(
            "the lock starts with a byte-order mark, which an editor put there",
            place=Place(file, 1),
            remedy="restore it from Git (`git checkout -- FILE`), and save such files as UTF-8 without a mark",
        )
    if "\r\n" in text:
        raise IntegrityError(
            "the line ends of the lock are CRLF, and it was written with LF: a checkout or an editor converted them",
            place=Place(file, 1),
            remedy=_LINE_ENDS,
        )
    if not marker:
        raise IntegrityError("the lock is cut off: its integrity line is missing", place=Place(file), remedy=RESTORE)
    raise IntegrityError(
        "the lock was edited by hand: its integrity line does not match its content",
        place=Place(file, body.count("\n") + 1),
        remedy=f"{RESTORE}; to change the mix, edit the mix file and apply",
    )
