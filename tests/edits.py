"""Worlds of made-up documents, random edits of them, and what a plan should say of each: an oracle.

A world is domain id → files, a file is its documents, a document is a 256-bit digest and a length. Edits act on domains
that no other edit of the script touches, so that what is right can be written down; they compose in one script.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from locks import make_lock

from olmixctl.corpus.model import DomainState, FileState
from olmixctl.fingerprint import digest, sha256_hex
from olmixctl.inventory import (
    SUM_MODULUS,
    Inventory,
    InventoryFile,
    SampledDocument,
    content_digest,
    take_sample,
)
from olmixctl.lock.model import Lock
from olmixctl.plan.model import Compared, Observed
from olmixctl.spec.model import DomainSpec, MixSpec, ProxySpec, TargetSpec

TOKENIZER = "tk1:test"


class Document(NamedTuple):
    digest: int
    tokens: int


File = tuple[Document, ...]
Files = tuple[File, ...]
World = dict[str, Files]
Found = tuple[str, str, str]  # category, subject, action


def _file_digest(file: File) -> str:
    """As in a corpus: the file of one plain document has that document's digest."""
    return f"{file[0].digest:064x}" if len(file) == 1 else sha256_hex(repr(file))


def state_of(name: str, files: Files) -> DomainState:
    documents = [document for file in files for document in file]
    total = sum(d.digest for d in documents) % SUM_MODULUS
    states = tuple(
        FileState(
            path=f"{i:05}", url=f"/{name}/{i:05}", size=1, digest=f"b3:{_file_digest(file)}",
            tokens=sum(d.tokens for d in file), documents=len(file), format="text" if len(file) == 1 else "jsonl",
        )
        for i, file in enumerate(files)
    )  # fmt: skip
    return DomainState(
        id=name,
        fingerprint=digest([s.digest for s in states], prefix="olx1"),
        content=content_digest(len(documents), total, TOKENIZER),
        tokens=sum(d.tokens for d in documents),
        documents=len(documents),
        files=states,
        total=total,
    )


def inventory_of(name: str, files: Files) -> Inventory:
    state = state_of(name, files)
    sampled = (
        SampledDocument(d.digest >> 192, d.tokens, position) for position, file in enumerate(files) for d in file
    )
    return Inventory(
        fingerprint=state.fingerprint,
        content=state.content,
        tokens=state.tokens,
        documents=state.documents,
        total=state.total,
        tokenizer=TOKENIZER,
        files=tuple(InventoryFile(f.path, int(f.digest[3:19], 16), f.tokens, f.documents) for f in state.files),
        sample=None if all(len(file) == 1 for file in files) else take_sample(sampled),
    )


def lock_of(world: World, rng: random.Random) -> Lock:
    raw = {name: rng.random() + 0.05 for name in world}
    total = sum(raw.values())
    states = {name: state_of(name, files) for name, files in world.items()}
    facts = {
        name: {"fingerprint": s.fingerprint, "content": s.content, "tokens": s.tokens, "documents": s.documents}
        for name, s in states.items()
    }
    return make_lock({n: w / total for n, w in raw.items()}, domains=facts, inputs={}, evals={}, evidence=())


def observed_of(world: World, before: World | None = None, *, changes: tuple = (), full: str | None = None) -> Observed:
    """The present of a world; with `before`, inventories of both are known."""
    spec = MixSpec(
        name="base",
        target=TargetSpec(tokens=10**9),
        domains=tuple(DomainSpec(id=name, paths=(name,)) for name in sorted(world)),
        evals=(),
        proxy=ProxySpec(model="250k", tokens=4096),
        changes=changes,
    )
    compared = Compared()
    if before is not None:
        compared = Compared(
            then={name: inventory_of(name, files) for name, files in before.items()},
            now={name: inventory_of(name, files) for name, files in world.items()},
        )
    return Observed(
        spec=spec, inputs={}, semantic=f"sha256:{sha256_hex('semantic')}", full=full or f"sha256:{sha256_hex('full')}",
        states={name: state_of(name, files) for name, files in world.items()}, evals={}, tokenizer=TOKENIZER,
        trainer="fake1", vocabulary=256, compared=compared,
    )  # fmt: skip


@dataclass
class Script:
    """A world under edit, and what is expected of the plan."""

    rng: random.Random
    world: World
    free: list[str]
    expected: set[Found] = field(default_factory=set)
    names: int = 0
    done: list[str] = field(default_factory=list)

    def documents(self, count: int) -> list[Document]:
        return [Document(self.rng.getrandbits(256), self.rng.randint(50, 500)) for _ in range(count)]

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def take(self) -> str:
        return self.free.pop(self.rng.randrange(len(self.free)))

    def spread(self, documents: list[Document], *, plain: bool) -> Files:
        if plain:
            return tuple((document,) for document in documents)
        self.rng.shuffle(documents)
        size = self.rng.randint(5, 60)
        return tuple(tuple(documents[i : i + size]) for i in range(0, len(documents), size))

    def revised(self, files: Files, keep: tuple[float, float], *, resharded: bool) -> Files:
        """Between the two fractions of the documents stay, and new ones come."""
        plain = all(len(file) == 1 for file in files)
        documents = [d for file in files for d in file]
        kept = round(len(documents) * self.rng.uniform(*keep))
        fresh = self.documents(max(1, round(len(documents) * self.rng.uniform(0, 0.2))))
        if resharded or plain:
            self.rng.shuffle(documents)
            return self.spread(documents[:kept] + fresh, plain=plain)
        stay, left = [], kept
        for file in files:
            # The last one is cut: the same documents, but another file.
            stay += [file[:left]] if left else []
            left -= min(left, len(file))
        return (*stay, tuple(fresh))

    def is_plain(self, name: str) -> bool:
        return all(len(file) == 1 for file in self.world[name])


def _add(script: Script) -> None:
    name = script.name()
    script.world[name] = script.spread(script.documents(script.rng.randint(10, 80)), plain=script.rng.random() < 0.5)
    script.expected.add(("added", name, "re-estimate"))


def _remove(script: Script) -> None:
    name = script.take()
    del script.world[name]
    script.expected.add(("removed", name, "drop"))


def _rename(script: Script) -> None:
    old, new = script.take(), script.name()
    script.world[new] = script.world.pop(old)
    script.expected.add(("moved", new, "keep-ratio"))


def _rename_and_revise(script: Script) -> None:
    old, new = script.take(), script.name()
    resharded = script.rng.random() < 0.3
    script.world[new] = script.revised(script.world.pop(old), (0.75, 0.95), resharded=resharded)
    script.expected |= {("moved", new, "re-estimate"), ("revised", new, "re-estimate")}


def _revise(script: Script) -> None:
    name = script.take()
    resharded = script.rng.random() < 0.5
    script.world[name] = script.revised(script.world[name], (0.0, 0.95), resharded=resharded)
    script.expected.add(("revised", name, "re-estimate"))


def _reshard(script: Script) -> None:
    name = next((n for n in script.free if not script.is_plain(n)), None)
    if name is None:
        return
    script.free.remove(name)
    documents = [d for file in script.world[name] for d in file]
    resharded = script.spread(documents, plain=False)
    if state_of(name, resharded).fingerprint != state_of(name, script.world[name]).fingerprint:
        script.expected.add(("metadata", name, "none"))
    script.world[name] = resharded


def _split(script: Script) -> None:
    old = script.take()
    files = script.world.pop(old)
    plain, keeps_name = all(len(file) == 1 for file in files), script.rng.random() < 0.4
    documents = [d for file in files for d in file]
    script.rng.shuffle(documents)
    count = script.rng.randint(2, 4)
    names = [old if keeps_name and i == 0 else script.name() for i in range(count)]
    grows = script.rng.random() < 0.4
    for i, name in enumerate(names):
        part = documents[i::count]
        script.world[name] = script.spread(part + (script.documents(len(part) // 6) if grows else []), plain=plain)
        script.expected.add(("partitioned", name, "re-estimate"))
    if not keeps_name:
        script.expected.add(("partitioned", old, "drop"))


def _merge(script: Script) -> None:
    count = min(script.rng.randint(2, 3), len(script.free))
    if count < 2:
        return
    olds = [script.take() for _ in range(count)]
    new = olds[0] if script.rng.random() < 0.4 else script.name()
    plain = all(map(script.is_plain, olds)) and script.rng.random() < 0.5
    documents = [d for old in olds for file in script.world.pop(old) for d in file]
    if script.rng.random() < 0.4:
        documents += script.documents(len(documents) // 6)
    script.world[new] = script.spread(documents, plain=plain)
    script.expected |= {("merged", new, "re-estimate"), *(("merged", old, "drop") for old in olds if old != new)}


def _metadata(script: Script) -> None:
    """Nothing of the data changes."""


EDITS: dict[str, Callable[[Script], None]] = {
    "add": _add,
    "remove": _remove,
    "rename": _rename,
    "rename and revise": _rename_and_revise,
    "revise": _revise,
    "reshard": _reshard,
    "split": _split,
    "merge": _merge,
    "metadata": _metadata,
}


def make_world(rng: random.Random) -> World:
    """Three to seven domains; some of many documents, so that only samples of them are known."""
    script = Script(rng=rng, world={}, free=[])
    for i in range(rng.randint(3, 7)):
        plain = rng.random() < 0.4
        size = rng.randint(900, 1400) if not plain and rng.random() < 0.15 else rng.randint(40, 160)
        script.world[f"d{i}"] = script.spread(script.documents(size), plain=plain)
    return script.world


def run_script(seed: int) -> tuple[World, Script]:
    """A world and a random script of one to five edits on it."""
    rng = random.Random(seed)
    before = make_world(rng)
    script = Script(rng=rng, world=dict(before), free=sorted(before))
    for kind in rng.choices(list(EDITS), k=rng.randint(1, 5)):
        # One domain always stays as it is, so that there is something to keep.
        if len(script.free) > 3 or kind in ("add", "metadata"):
            EDITS[kind](script)
            script.done.append(kind)
    return before, script


def documents(count, seed=0, tokens=100):
    """So many different documents."""
    rng = random.Random(seed)
    return [Document(rng.getrandbits(256), tokens) for _ in range(count)]


def plain(docs):
    """A file each."""
    return tuple((d,) for d in docs)


def packed(docs, size=20):
    """Files of so many."""
    return tuple(tuple(docs[i : i + size]) for i in range(0, len(docs), size))
