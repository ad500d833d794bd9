"""What a plan with nothing to do costs, counted instead of timed: what it opens, and how its steps grow."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time

import pytest
from workspaces import make_workspace, write_domain, write_mix, write_natural_lock

from olmixctl.corpus.model import FileState
from olmixctl.corpus.packed import PackedFiles
from olmixctl.ledger.store import Ledger
from olmixctl.workspace import Workspace


def many(root, domains):
    """A locked workspace of this many domains in groups of four."""
    ids = [f"group-{n // 4}/d{n}" for n in range(domains)]
    for domain in ids:
        write_domain(root, domain, 5, words=5)
    lines = ["version: 1", "name: base", "target: {tokens: 5K, max_repetition: 400}", "domains:"]
    for n, domain in enumerate(ids):
        group, name = domain.split("/")
        lines += [f"  {group}:", "    max: 0.9", "    domains:"] if n % 4 == 0 else []
        lines.append(f"      {name}: {{paths: [corpora/{domain}/*.txt], max: 0.7, tags: [t{n % 3}]}}")
    lines += [
        "evals: [{name: h, heldout: group-0, fraction: 0.4}]",
        "constraints: [{name: some, domains: ['tag:t1'], max: 0.9}]",
        "proxy: {model: 250k, tokens: 4096, sequence_length: 64, batch_size: 8}",
        "executor: {kind: fake}",
    ]
    mix = root / "mixes" / "base.yaml"
    mix.parent.mkdir()
    mix.write_text("\n".join(lines) + "\n")
    write_natural_lock(mix)
    warmed(mix)
    return mix


def warmed(mix):
    """What is known of files is kept once they are older than a tick of the clock they are stamped by."""
    time.sleep(0.06)
    Workspace.open(str(mix)).plan()


def steps(mix):
    """Lines of Python gone through, each turn of a loop one more, while a plan is made that finds nothing to do."""
    count = 0

    def look(_frame, event, _argument):
        nonlocal count
        count += event == "line"
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        plan = Workspace.open(str(mix)).plan()
    finally:
        sys.settrace(before)
    assert plan.kind == "none"
    return count


def test_steps_grow_with_the_domains_and_no_faster(tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    for root in (small, large):
        root.mkdir()
    few, lots = many(small, 40), many(large, 160)
    assert steps(lots) < 4.2 * steps(few)


def test_many_domains_are_a_few_looks_into_the_cache(tmp_path, monkeypatch):
    mix = many(tmp_path, 100)
    opened = []
    connect = sqlite3.connect
    monkeypatch.setattr("olmixctl.corpus.cache.sqlite3.connect", lambda *a, **k: opened.append(a) or connect(*a, **k))
    assert Workspace.open(str(mix)).plan().kind == "none"
    assert len(opened) <= 5


def test_files_of_unchanged_domains_stay_packed(tmp_path, monkeypatch):
    mix = many(tmp_path, 8)
    monkeypatch.setattr(PackedFiles, "_unpacked", lambda _: pytest.fail("nobody need look at the files"))
    plan = Workspace.open(str(mix)).plan()
    assert all(isinstance(state.files, PackedFiles) for state in plan.observed.states.values())
    assert [len(state.files) for state in plan.observed.states.values()] == [5] * 8


def test_a_plan_with_nothing_to_do_reads_no_run(tmp_path, monkeypatch):
    make_workspace(tmp_path)
    workspace = Workspace.open(cwd=tmp_path)
    workspace.apply(workspace.plan())
    read = []
    records = Ledger.records
    monkeypatch.setattr(Ledger, "records", lambda self: read.append(self) or records(self))
    assert Workspace.open(cwd=tmp_path).plan().kind == "none"
    assert read == []
    write_domain(tmp_path, "web", 90)
    assert Workspace.open(cwd=tmp_path).plan().kind == "train"
    assert read


def test_a_lost_run_is_seen_without_reading_the_others(tmp_path):
    make_workspace(tmp_path)
    workspace = Workspace.open(cwd=tmp_path)
    workspace.apply(workspace.plan())
    min((tmp_path / "mixes" / "base.runs").glob("r1-*.json")).unlink()
    plan = Workspace.open(cwd=tmp_path).plan()
    assert plan.kind == "train"
    assert "1 of" in plan.reason


def test_a_plan_with_nothing_to_do_loads_no_numerics_and_no_schema_library(tmp_path):
    write_domain(tmp_path, "a", 20)
    write_domain(tmp_path, "b", 20)
    mix = write_mix(tmp_path, {"a": "", "b": ""}, extra="")
    write_natural_lock(mix)
    warmed(mix)
    code = (
        "import sys\n"
        "from olmixctl.workspace import Workspace\n"
        f"assert Workspace.open({str(mix)!r}).plan().kind == 'none'\n"
        "print(*[name for name in ('numpy', 'jsonschema', 'scipy', 'torch') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_packed_files_are_the_tuple_of_their_files():
    from olmixctl.corpus.packed import pack_files

    files = tuple(
        FileState(path=f"{n}.txt", url=f"/x/{n}.txt", size=n, digest=f"b3:{n}", tokens=n, documents=1) for n in range(3)
    )
    packed = PackedFiles(3, pack_files(files))
    assert (packed, files) == (files, packed)
    assert packed == PackedFiles(3, pack_files(files)) != PackedFiles(2, pack_files(files[:2]))
    assert (packed[1], packed[1:], len(packed), hash(packed)) == (files[1], files[1:], 3, hash(files))
    assert packed != list(files)
