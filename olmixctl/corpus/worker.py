"""A worker process of `pool`: a function, then batches of items, come in on stdin; answers go out on stdout.

An answer is (results, an expected error, the traceback of an unexpected one), two of them None.
"""

from __future__ import annotations

import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from olmixctl.errors import OlmixctlError

__all__ = ["answer", "main"]

Answer = tuple[list[Any] | None, OlmixctlError | None, str | None]


def main() -> None:
    """Serves until stdin ends."""
    # Ctrl-C reaches the whole group; the parent decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    function = pickle.load(sys.stdin.buffer)  # noqa: S301  (from the parent, over a private pipe)
    while True:
        try:
            batch = pickle.load(sys.stdin.buffer)  # noqa: S301
        except EOFError:
            return
        pickle.dump(answer(function, batch), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def answer(function: Callable[[Any], Any], batch: Sequence[Any]) -> Answer:
    """The function applied to each item, up to the first that fails."""
    try:
        return [function(item) for item in batch], None, None
    except OlmixctlError as error:
        return None, error, None
    # The parent must hear of a defect as a defect; there is no other reader here.
    except Exception:  # noqa: BLE001
        return None, None, traceback.format_exc()


if __name__ == "__main__":
    main()
