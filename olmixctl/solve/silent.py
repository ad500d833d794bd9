"""Silence of libraries that print on stdout whatever they are asked: what programs read stands there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

__all__ = ["silent_stdout"]

_STDOUT = 1


@contextlib.contextmanager
def silent_stdout() -> Iterator[None]:
    """What C code prints on stdout inside goes nowhere; nothing is to be written there from Python meanwhile.

    HiGHS says on stdout that it repairs a solution, though its log is off. The descriptor is turned away, since such
    text does not pass through Python, and C's buffers are emptied before it is turned back: a pipe would get theirs
    when the process ends.
    """
    import ctypes

    try:
        kept = os.dup(_STDOUT)
    except OSError:  # there is no stdout to keep clean
        yield
        return
    flush = ctypes.CDLL(None).fflush
    flush(None)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)
    try:
        yield
    finally:
        flush(None)
        os.dup2(kept, _STDOUT)
        os.close(kept)
