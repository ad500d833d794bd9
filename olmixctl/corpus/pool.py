"""Many independent steps at once, results in order: on threads, or in processes where Python itself is the work.

Reading and hashing run outside the interpreter lock, so plain text needs threads only. Parsing JSON lines does not: a
large amount of it goes to worker processes (`worker`), which are plain children of this one. They import nothing of the
caller's program, so a script that uses the library needs no `if __name__ == "__main__"`.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import IO, Any, Self, TypeVar, cast

from olmixctl.errors import OlmixctlError

__all__ = ["run_parallel"]

A = TypeVar("A")
B = TypeVar("B")
_MOST_AT_ONCE = 32


def run_parallel(
    function: Callable[[A], B], items: Sequence[A], *, workers: int, processes: bool = False
) -> Iterator[B]:
    """`map(function, items)`, `workers` at once; the first error in the order of `items` is the one raised.

    With `processes`, `function`, items and results must pickle.
    """
    if workers <= 1 or len(items) <= 1:
        yield from map(function, items)
        return
    # Handing over one small file costs more than reading it.
    size = max(1, min(_MOST_AT_ONCE, len(items) // (4 * workers)))
    batches = [items[i : i + size] for i in range(0, len(items), size)]
    with contextlib.ExitStack() as stack:
        # The pool is left last: on an error or Ctrl-C the processes are gone before it waits for its threads.
        pool = stack.enter_context(ThreadPoolExecutor(workers, thread_name_prefix="corpus"))
        run: Callable[[Sequence[A]], list[B]] = partial(_apply, function)
        if processes:
            run = stack.enter_context(_Workers(function, min(workers, len(batches)))).run
        futures = [pool.submit(run, batch) for batch in batches]
        try:
            for future in futures:
                yield from future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _apply(function: Callable[[A], B], batch: Sequence[A]) -> list[B]:
    return [function(item) for item in batch]


class _Workers:
    """Processes that apply one function; each serves one thread at a time."""

    def __init__(self, function: Callable[[Any], Any], count: int) -> None:
        self._function = function
        self._count = count
        self._all: list[subprocess.Popen[bytes]] = []
        self._free: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def __enter__(self) -> Self:
        # The children must find the same modules, and leave the cores to each other.
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "TOKENIZERS_PARALLELISM": "false"}
        command = [sys.executable, "-m", "olmixctl.corpus.worker"]
        for _ in range(self._count):
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)  # noqa: S603
            self._all.append(worker)
            self._free.put(worker)
        for worker in self._all:
            _send(worker, self._function)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._all:
            worker.kill()
        for worker in self._all:
            for pipe in (worker.stdin, worker.stdout):
                with contextlib.suppress(BrokenPipeError):
                    cast("IO[bytes]", pipe).close()
            worker.wait()

    def run(self, batch: Sequence[Any]) -> list[Any]:
        """The results of a batch, from whichever process is free.

        Raises:
            OlmixctlError: the function raised it, or the process ended (it was killed, or memory ran out).
            RuntimeError: the function raised anything else: a defect, with its traceback.
        """
        worker = self._free.get()
        try:
            _send(worker, list(batch))
            results, error, defect = pickle.load(cast("IO[bytes]", worker.stdout))  # noqa: S301  (our own child)
        except (EOFError, pickle.UnpicklingError, BrokenPipeError):
            raise OlmixctlError(
                f"a reading process ended early (exit status {worker.poll()})",
                remedy="check the memory, then run the command again; what was read is kept",
            ) from None
        finally:
            self._free.put(worker)
        if error is not None:
            raise error
        if defect is not None:
            raise RuntimeError(defect)
        return cast("list[Any]", results)


def _send(worker: subprocess.Popen[bytes], value: object) -> None:
    pipe = cast("IO[bytes]", worker.stdin)
    with contextlib.suppress(BrokenPipeError):  # seen when the answer is read
        pickle.dump(value, pipe)
        pipe.flush()
