"""Many small steps on a few threads, results in order.

Reading, hashing (blake3), decompressing and the tokenizers' own code all run outside the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["run_parallel"]

A = TypeVar("A")
B = TypeVar("B")
_MOST_AT_ONCE = 32


def run_parallel(function: Callable[[A], B], items: Sequence[A], *, workers: int) -> Iterator[B]:
    """`map(function, items)` on `workers` threads; the first error in the order of `items` is the one raised."""
    if workers <= 1 or len(items) <= 1:
        yield from map(function, items)
        return
    # Handing over one small file costs more than reading it.
    size = max(1, min(_MOST_AT_ONCE, len(items) // (4 * workers)))
    batches = [items[i : i + size] for i in range(0, len(items), size)]
    with ThreadPoolExecutor(workers, thread_name_prefix="corpus") as pool:
        futures = [pool.submit(_run, function, batch) for batch in batches]
        try:
            for future in futures:
                yield from future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _run(function: Callable[[A], B], items: Sequence[A]) -> list[B]:
    return [function(item) for item in items]
