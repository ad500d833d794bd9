"""Small real workspaces for tests: a folder of text, a mix file, and the fake executor unless a test wants training."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "ru", "te", "vo") for b in ("n", "ra", "st", "pe", "xi", "um")]


def write_domain(root: Path, domain: str, documents: int, *, seed: int = 0, start: int = 0, words: int = 120) -> None:
    """`documents` text files for a domain, different from those of any other domain or seed."""
    folder = root / "corpora" / domain
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + documents):
        source = random.Random(f"{domain}/{seed}/{number}")
        text = f"{domain} {seed} {number} " + " ".join(source.choices(WORDS, k=words))
        (folder / f"{number:04}.txt").write_text(text, encoding="utf-8")


def write_mix(
    root: Path, domains: Mapping[str, str], *, evals: tuple[str, ...] | None = None, extra: str = "", kind: str = "fake"
) -> Path:
    """A mix file: domain id (one or two levels) → further fields, as YAML flow text."""
    measured = evals if evals is not None else tuple(domains)[:2]
    lines = ["version: 1", "name: base", "target: {tokens: 50K, max_repetition: 4}", "domains:"]
    for domain_id, fields in domains.items():
        more = f", {fields}" if fields else ""
        lines.append(f"  {domain_id}: {{paths: [corpora/{domain_id}/*.txt]{more}}}")
    lines.append("evals:")
    lines += [f"  - {{name: {d}-bpb, heldout: {d}, fraction: 0.1}}" for d in measured]
    lines.append("proxy: {model: 250k, tokens: 4096, sequence_length: 64, batch_size: 8}")
    lines.append(f"executor: {{kind: {kind}}}")
    # Comparing families takes most of an apply that trains nothing; tests of families declare `auto` or theirs.
    lines += [] if "surrogate:" in extra else ["surrogate: log_linear"]
    path = root / "mixes" / "base.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([*lines, extra]) + "\n", encoding="utf-8")
    return path


def make_workspace(root: Path, *, kind: str = "fake", extra: str = "") -> Path:
    """Three domains of unequal size and their mix file; returns its path."""
    for domain, documents in (("code", 60), ("docs", 40), ("web", 80)):
        write_domain(root, domain, documents)
    return write_mix(root, dict.fromkeys(("code", "docs", "web"), ""), kind=kind, extra=extra)


def write_natural_lock(mix: Path) -> None:
    """A first lock of the mix at natural weights, without any run: what a plan finds nothing to do from."""
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.execute.fake import FakeExecutor
    from olmixctl.lock.model import Lock, LockedDomain, LockedSolution
    from olmixctl.lock.store import write_lock
    from olmixctl.mixture import GRID, GridMixture, round_to_grid
    from olmixctl.present import observe
    from olmixctl.workspace import Workspace

    workspace = Workspace.open(str(mix))
    now = observe(workspace.loaded, CorpusContext.open(workspace.root, tokenizer="bytes"), FakeExecutor.trainer)
    domains = {
        domain_id: LockedDomain(
            fingerprint=state.fingerprint,
            content=state.content,
            tokens=state.tokens,
            documents=state.documents,
            repetition=Decimal("0.000000"),
            changed_in=1,
        )
        for domain_id, state in sorted(now.states.items())
    }
    lock = Lock(
        name=now.spec.name,
        lineage="lin1:" + "0" * 64,
        serial=1,
        parents=(),
        tool_version="0",
        spec_semantic=now.semantic,
        spec_full=now.full,
        inputs=now.inputs,
        evals=now.evals,
        weights=GridMixture(round_to_grid({d: share * GRID for d, share in now.natural.items()})),
        domains=domains,
        blocks={},
        evidence=(),
        evidence_root="sha256:" + "0" * 64,
        solution=LockedSolution(status="kept"),
    )
    write_lock(workspace.lock_path, lock)
