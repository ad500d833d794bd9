"""Leases: which apply trains which run, agreed on through files alone. No lock of the file system, no server, no clock
that two machines would have to share.

The protocol. A lease on NAME is a file `NAME.N`, N its fence number. The holder of NAME is the process that created the
file with the highest N, as long as that file says `held`.

1. To claim a free NAME, create `NAME.(N+1)` exclusively, N being the highest number there is (0 without one). Two that
   try the same number: the home lets exactly one succeed. Then look again: whoever is not the highest (a listing is no
   snapshot) withdraws.
2. Each file is written by its creator alone. Its heartbeat rewrites it with a counter + 1, so it never has to ask who
   the holder is and cannot overwrite another's lease, however late it wakes.
3. An observer takes the lease over, by claiming N+1, when the file says `released`, when its owner is a process of this
   machine that has ended, or when the content has not changed for TTL seconds of the observer's own monotonic clock.
   Clocks of machines are never compared; a holder has all of TTL, as each observer counts it, to move its counter.
4. Numbers are never used again: a released lease stays as a file that says so, until `sweep` clears the names of runs
   that are recorded, which nobody claims. So a holder that was taken over while it slept finds a higher number.
5. A holder asks `holds` right before it records. If its file is not the highest any more, it was fenced: what it
   measured is no longer its to record. That closes the gap between 3 and a holder that is slow, not dead. What is left
   between the question and the write is closed by the ledger, where the first result is created exclusively.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from olmixctl.errors import OlmixctlError
from olmixctl.ledger.home import Home
from olmixctl.ledger.owner import Owner, this_process

__all__ = ["HEARTBEAT", "LOCK", "TTL", "Held", "Lease", "Leases"]

TTL = 60.0
"""Seconds without a heartbeat after which a lease may be taken over."""

HEARTBEAT = 15.0
"""Seconds between heartbeats: four chances before anyone may take over."""

LOCK = "lock"
"""Name of the lease on solving and writing the lock."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What was claimed: a name and its fence number."""

    name: str
    number: int

    @property
    def file(self) -> str:
        """Its file."""
        return f"{self.name}.{self.number}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A lease that somebody holds, as its file says.

    Attributes:
        lease: which.
        owner: who; None when the file cannot be read as a lease.
        since: seconds since the epoch by the owner's clock, for people.
        dead: the owner is known to have ended.
    """

    lease: Lease
    owner: Owner | None
    since: int
    dead: bool

    @property
    def who(self) -> str:
        """The owner, for people."""
        return "unreadable" if self.owner is None else f"process {self.owner.pid} on {self.owner.host}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Content:
    """A lease file. `token` tells apart claimants that share a process."""

    owner: Owner
    token: str
    state: str
    counter: int
    since: int

    def text(self) -> bytes:
        value = {
            "lease_version": 1,
            "state": self.state,
            "counter": self.counter,
            "since": self.since,
            "token": self.token,
            "owner": self.owner.as_json(),
        }
        return (json.dumps(value, sort_keys=True) + "\n").encode()

    @classmethod
    def parse(cls, raw: bytes) -> _Content | None:
        """None for what is no lease, or not a whole one."""
        try:
            value = json.loads(raw)
            owner = Owner.from_json(value["owner"])
            return cls(
                owner=owner,
                token=str(value["token"]),
                state=str(value["state"]),
                counter=int(value["counter"]),
                since=int(value["since"]),
            )
        except (ValueError, KeyError, TypeError):
            return None


class Leases:
    """The leases of one mix, as one apply sees and holds them.

    Args:
        home: where they live.
        ttl: seconds without a heartbeat after which another's lease is taken over.
        clock: seconds, monotonic; this process's own.
    """

    def __init__(self, home: Home, *, ttl: float = TTL, clock: Callable[[], float] = time.monotonic) -> None:
        self.home = home
        self._ttl = ttl
        self._clock = clock
        self._token = uuid.uuid4().hex
        self._mutex = threading.Lock()
        self._held: dict[Lease, _Content] = {}
        self._seen: dict[Lease, tuple[bytes, float]] = {}

    def claim(self, names: Sequence[str]) -> Lease | None:
        """The first of `names` that is free, or whose holder is gone; None when there is none.

        Raises:
            OlmixctlError: the leases cannot be read or written.
        """
        highest = self._highest()
        for name in names:
            number = highest.get(name, 0)
            if number and self._is_alive(Lease(name, number)):
                continue
            lease = self._create(Lease(name, number + 1))
            if lease is not None:
                return lease
        return None

    def holds(self, lease: Lease) -> bool:
        """Whether `lease` is still this one's: the fence. Asked right before anything is recorded.

        Raises:
            OlmixctlError: the leases cannot be read.
        """
        with self._mutex:
            mine = lease in self._held
        return mine and self._highest().get(lease.name) == lease.number

    def release(self, lease: Lease) -> None:
        """Give `lease` back. Of a lease that was lost nothing is left.

        Raises:
            OlmixctlError: it could not be written; others take it over when it expires.
        """
        with self._mutex:
            content = self._held.pop(lease, None)
            if content is None:
                return
            try:
                self._give_back(lease, content)
            except KeyboardInterrupt:
                # Ctrl-C: it is still to be given back, on the way out.
                self._held[lease] = content
                raise

    def release_all(self) -> None:
        """Give back everything that is held; what cannot be given back expires."""
        for lease in list(self._held):
            with contextlib.suppress(OlmixctlError):
                self.release(lease)

    def beat(self) -> None:
        """One heartbeat for everything that is held.

        Raises:
            OlmixctlError: one could not be written.
        """
        for lease in list(self._held):
            with self._mutex:
                content = self._held.get(lease)
                if content is not None:
                    self._held[lease] = beaten = self._content("held", content)
                    self.home.replace(lease.file, beaten.text())

    @contextlib.contextmanager
    def beating(self, every: float = HEARTBEAT) -> Iterator[None]:
        """Beat in a thread; everything is released at the end."""
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(every):
                # A store that is away for a moment: the next beat may arrive, and the fence judges in the end.
                with contextlib.suppress(OlmixctlError):
                    self.beat()

        thread = threading.Thread(target=run, name="olmixctl-leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.release_all()

    def holders(self) -> list[Held]:
        """Who holds what, sorted by name; released leases are not held.

        Raises:
            OlmixctlError: the leases cannot be read.
        """
        leases = [Lease(name, number) for name, number in sorted(self._highest().items())]
        contents = self.home.read_many([lease.file for lease in leases])
        found = []
        for lease in leases:
            content = _Content.parse(contents.get(lease.file, b""))
            if content is None:
                found.append(Held(lease=lease, owner=None, since=0, dead=False))
            elif content.state == "held":
                dead = content.owner.is_dead()
                found.append(Held(lease=lease, owner=content.owner, since=content.since, dead=dead))
        return found

    def evict(self, lease: Lease) -> bool:
        """Take `lease` from its holder, whoever it is, and leave its name free; False when it changed hands meanwhile.

        Raises:
            OlmixctlError: it could not be written.
        """
        taken = self._create(Lease(lease.name, lease.number + 1))
        if taken is not None:
            self.release(taken)
        return taken is not None

    def sweep(self, names: Iterable[str]) -> None:
        """Remove the files of names that nobody will claim again: runs that are recorded.

        Raises:
            OlmixctlError: one could not be removed.
        """
        numbers, settled = self._numbers(), set(names)
        leases = [Lease(name, number) for name in sorted(settled & numbers.keys()) for number in numbers[name]]
        for lease in leases:
            self.home.delete(lease.file)

    def _give_back(self, lease: Lease, content: _Content) -> None:
        numbers = self._numbers().get(lease.name, [])
        if max(numbers, default=0) == lease.number:
            self.home.replace(lease.file, self._content("released", content).text())
        older = [number for number in numbers if number <= lease.number and number != max(numbers)]
        for number in older:
            self.home.delete(Lease(lease.name, number).file)

    def _create(self, lease: Lease) -> Lease | None:
        content = _Content(owner=this_process(), token=self._token, state="held", counter=0, since=int(time.time()))
        try:
            return self._claimed(lease, content)
        except KeyboardInterrupt:
            # Ctrl-C between the file and the note of it here: nobody else would ever give it back.
            self._withdraw(lease)
            raise

    def _withdraw(self, lease: Lease) -> None:
        with self._mutex:
            self._held.pop(lease, None)
            found = _Content.parse(self.home.read(lease.file) or b"")
            if found is not None and found.token == self._token:
                self.home.delete(lease.file)

    def _claimed(self, lease: Lease, content: _Content) -> Lease | None:
        if not self.home.create(lease.file, content.text()):
            return None
        if self._highest().get(lease.name) != lease.number:
            self.home.delete(lease.file)
            return None
        with self._mutex:
            self._held[lease] = content
        return lease

    def _is_alive(self, lease: Lease) -> bool:
        raw = self.home.read(lease.file)
        if raw is None:
            return True  # It went while we looked: the next look shows what came instead.
        content = _Content.parse(raw)
        if content is not None and (content.state == "released" or content.owner.is_dead()):
            return False
        now = self._clock()
        seen, since = self._seen.get(lease, (b"", now))
        if seen != raw:
            self._seen[lease] = (raw, now)
            return True
        return now - since < self._ttl

    def _content(self, state: str, before: _Content) -> _Content:
        return _Content(
            owner=before.owner, token=before.token, state=state, counter=before.counter + 1, since=before.since
        )

    def _highest(self) -> dict[str, int]:
        return {name: max(numbers) for name, numbers in self._numbers().items()}

    def _numbers(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for file in self.home.names():
            name, _, number = file.rpartition(".")
            if name and number.isdecimal():
                found.setdefault(name, []).append(int(number))
        return found
