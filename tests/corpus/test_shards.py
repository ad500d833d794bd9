from __future__ import annotations

import errno
import gzip
import json
import shutil
import subprocess
import sys

import fsspec
import numpy as np
import pytest
from blake3 import blake3

from olmixctl.corpus import build_shards, measure_domains
from olmixctl.errors import CorpusError, OlmixctlError
from olmixctl.spec.model import DeclaredSpec, DomainSpec

LIMIT = 2**64


def number(text):
    return int.from_bytes(blake3(text.encode()).digest()[:8], "big")


def shard_of(domain, context, **options):
    options = {"holdout_fraction": 0.0, **options}
    return build_shards(measure_domains([domain], context), context, **options)[domain.id]


def trained(shard):
    tokens = np.load(shard.tokens_path, mmap_mode="r")
    assert len(tokens) == shard.tokens
    texts = [bytes(part.astype(np.uint8)).decode() for part in np.split(tokens, np.flatnonzero(tokens == 256) + 1)]
    assert texts.pop() == ""
    return [t[:-1] for t in texts]


def test_documents_stand_in_the_order_of_their_digests(workspace, many_texts):
    shard = shard_of(workspace.texts("web", many_texts), workspace.context())
    assert trained(shard) == sorted(many_texts, key=number)
    assert shard.documents == 200
    assert np.load(shard.tokens_path, mmap_mode="r").dtype == np.uint16


def test_held_out_documents_are_missing(workspace, many_texts):
    shard = shard_of(workspace.texts("web", many_texts), workspace.context(), holdout_fraction=0.25)
    assert trained(shard) == sorted((t for t in many_texts if number(t) >= LIMIT // 4), key=number)


def test_repeated_documents_stay_repeated(workspace):
    shard = shard_of(workspace.jsonl("web/a.jsonl", ["a", "b", "a", "a"]), workspace.context())
    assert sorted(trained(shard)) == ["a", "a", "a", "b"]


def test_the_key_is_the_content(workspace, many_texts):
    context = workspace.context()
    domain = workspace.texts("web", many_texts)
    state = measure_domains([domain], context)["web"]
    assert shard_of(domain, context).key == state.content


@pytest.mark.parametrize("limit", [1, 500, 5000, 10**9])
def test_a_limited_shard_is_the_beginning_of_the_whole(workspace, many_texts, limit):
    context = workspace.context()
    domain = workspace.texts("web", many_texts)
    whole = np.load(shard_of(domain, context, holdout_fraction=0.1).tokens_path)
    shard = shard_of(domain, context, holdout_fraction=0.1, limit_tokens=limit)
    part = np.load(shard.tokens_path)
    assert (whole[: len(part)] == part).all()
    assert part[-1] == 256
    assert len(part) >= min(limit, len(whole))
    longest = max(len(t.encode()) for t in many_texts) + 1
    assert len(part) < limit + longest


def test_a_limit_takes_equal_documents_together(workspace):
    shard = shard_of(workspace.jsonl("web/a.jsonl", ["same"] * 5), workspace.context(), limit_tokens=7)
    assert trained(shard) == ["same"] * 5


def test_a_limited_shard_reads_only_the_files_it_needs(workspace, many_texts, monkeypatch):
    from olmixctl.corpus import shards

    opened = []
    original = shards.iter_documents
    monkeypatch.setattr(shards, "iter_documents", lambda source: opened.append(source.shown) or original(source))
    shard = shard_of(workspace.texts("web", many_texts), workspace.context(), limit_tokens=300)
    assert len(opened) == shard.documents < 20


def test_a_shard_is_built_once_and_again_when_the_data_changes(workspace, many_texts):
    context = workspace.context()
    domain = workspace.texts("web", many_texts)
    first = shard_of(domain, context)
    stamp = first.tokens_path.stat().st_mtime_ns
    assert shard_of(domain, context) == first
    assert first.tokens_path.stat().st_mtime_ns == stamp
    workspace.write("web/more.txt", "one more document")
    second = shard_of(domain, context)
    assert second.tokens_path != first.tokens_path
    assert second.documents == 201


def test_holdout_limit_and_tokenizer_make_other_shards(workspace, many_texts, word_tokenizer):
    domain = workspace.texts("web", many_texts)
    context = workspace.context()
    paths = {
        shard_of(domain, context).tokens_path,
        shard_of(domain, context, holdout_fraction=0.1).tokens_path,
        shard_of(domain, context, limit_tokens=1000).tokens_path,
        shard_of(domain, workspace.context("tokenizer.json")).tokens_path,
    }
    assert len(paths) == 4


def test_a_subword_shard_holds_its_tokens(workspace, many_texts, word_tokenizer):
    context = workspace.context("tokenizer.json")
    shard = shard_of(workspace.texts("web", many_texts), context)
    end = context.tokenizer.end_of_text
    expected = [
        [*e.tolist(), end] for e in context.tokenizer.encode([t.encode() for t in sorted(many_texts, key=number)])
    ]
    assert np.load(shard.tokens_path).tolist() == [t for part in expected for t in part]


def test_token_files_become_a_shuffled_shard_of_blocks(workspace):
    (workspace.root / "t").mkdir()
    tokens = np.random.default_rng(0).integers(0, 256, 10_000).astype(np.uint32)
    np.save(workspace.root / "t/a.npy", tokens)
    shard = shard_of(DomainSpec(id="t", paths=("t",)), workspace.context())
    out = np.load(shard.tokens_path)
    assert shard.documents == 5
    assert len(out) == 10_005
    assert sorted(out[out != 256].tolist()) == sorted(tokens.tolist())


@pytest.mark.parametrize("damage", ["cut", "facts", "gone"])
def test_a_damaged_shard_is_built_again(workspace, many_texts, damage):
    context = workspace.context()
    domain = workspace.texts("web", many_texts)
    shard = shard_of(domain, context)
    whole = shard.tokens_path.read_bytes()
    if damage == "cut":
        shard.tokens_path.write_bytes(whole[:-10])
    elif damage == "facts":
        (shard.tokens_path.parent / "shard.json").write_text("{")
    else:
        shard.tokens_path.unlink()
    assert shard_of(domain, context) == shard
    assert shard.tokens_path.read_bytes() == whole


def test_nothing_half_built_stays(workspace, many_texts, monkeypatch):
    from olmixctl.corpus import shards

    def full(descriptor, offset, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards.os, "posix_fallocate", full)
    context = workspace.context()
    with pytest.raises(OlmixctlError, match=r"shards: cannot write: No space left on device\n.*free space"):
        shard_of(workspace.texts("web", many_texts), context)
    assert list(context.shards.iterdir()) == []


def test_a_shard_folder_that_cannot_be_made(workspace, many_texts):
    workspace.write(".olmixctl/shards", "a file in the way")
    with pytest.raises(OlmixctlError, match="shards: cannot write: "):
        shard_of(workspace.texts("web", many_texts), workspace.context())


def test_data_that_changed_since_it_was_measured(workspace, many_texts):
    context = workspace.context()
    domain = workspace.texts("web", many_texts)
    states = measure_domains([domain], context)
    workspace.write("web/0005.txt", "x" * len(many_texts[5].encode()))
    with pytest.raises(CorpusError, match=r"web/0005\.txt: the file changed since it was fingerprinted"):
        build_shards(states, context, holdout_fraction=0.0)
    (workspace.root / "web/0005.txt").unlink()
    with pytest.raises(CorpusError, match=r"web/0005\.txt: cannot read: No such file"):
        build_shards(states, context, holdout_fraction=0.0)


def test_a_lines_file_that_lost_documents(workspace, many_texts):
    context = workspace.context()
    domain = workspace.jsonl("web/a.jsonl", many_texts)
    states = measure_domains([domain], context)
    workspace.jsonl("web/a.jsonl", many_texts[:-1])
    with pytest.raises(CorpusError, match=r"web/a\.jsonl: the file changed since"):
        build_shards(states, context, holdout_fraction=0.0)


def test_a_lost_cache_costs_time_only(workspace, many_texts):
    context = workspace.context()
    domain = workspace.jsonl("web/a.jsonl", many_texts)
    states = measure_domains([domain], context)
    shutil.rmtree(workspace.root / ".olmixctl/cache")
    shard = build_shards(states, context, holdout_fraction=0.0)["web"]
    assert trained(shard) == sorted(many_texts, key=number)


def test_a_declared_domain_has_no_shard(workspace):
    declared = DeclaredSpec(tokens=10, documents=1, revision="r")
    with pytest.raises(CorpusError, match="domain pdfs is declared"):
        shard_of(DomainSpec(id="pdfs", paths=("x",), declared=declared), workspace.context())


def test_everything_held_out_leaves_nothing(workspace):
    with pytest.raises(CorpusError, match="domain web has no document left to train on: all 2 are held out"):
        shard_of(workspace.texts("web", ["a", "b"]), workspace.context(), holdout_fraction=1.0)


BUILD = """
import json, sys
from pathlib import Path
from olmixctl.corpus import CorpusContext, build_shards, measure_domains
from olmixctl.spec.model import DomainSpec
context = CorpusContext.open(Path(sys.argv[1]), tokenizer="bytes")
states = measure_domains([DomainSpec(id="web", paths=("web",))], context)
shard = build_shards(states, context, holdout_fraction=0.01)["web"]
status = Path("/proc/self/status").read_text()
print(json.dumps([str(shard.tokens_path), shard.tokens, int(status.split("VmHWM:")[1].split()[0])]))
"""


def start_build(workspace):
    return subprocess.Popen([sys.executable, "-c", BUILD, str(workspace.root)], stdout=subprocess.PIPE, text=True)


def test_several_processes_build_one_shard(workspace, many_texts):
    workspace.texts("web", many_texts)
    children = [start_build(workspace) for _ in range(3)]
    found = {tuple(json.loads(child.communicate(timeout=60)[0])[:2]) for child in children}
    ((path, tokens),) = found
    expected = sorted((t for t in many_texts if number(t) >= LIMIT // 100), key=number)
    assert len(np.load(path)) == tokens == sum(len(t.encode()) + 1 for t in expected)
    assert len(list((workspace.root / ".olmixctl/shards").iterdir())) == 1


def test_progress_ends_at_its_total(workspace, many_texts):
    calls = []
    context = workspace.context(on_progress=lambda done, total: calls.append((done, total)))
    states = measure_domains([workspace.texts("a", many_texts), workspace.texts("b", many_texts[:9])], context)
    calls.clear()
    build_shards(states, context, holdout_fraction=0.0, limit_tokens=1000)
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1] > 0
    calls.clear()
    build_shards(states, context, holdout_fraction=0.0, limit_tokens=1000)
    assert calls == []


@pytest.mark.slow
def test_a_big_domain_is_built_in_little_memory(workspace):
    line = json.dumps({"text": "word " * 4000}) + "\n"
    (workspace.root / "web").mkdir()
    with (workspace.root / "web/a.jsonl").open("w") as file:
        for i in range(20_000):  # 400 MB
            file.write(line.replace("word", f"w{i:05}", 1))
    _, tokens, peak_kib = json.loads(start_build(workspace).communicate()[0])
    assert tokens > 390e6
    assert peak_kib < 150_000


def test_remote_domains_become_shards(workspace, many_texts):
    fs = fsspec.filesystem("memory")
    for i in range(3):
        lines = "".join(json.dumps({"text": t}) + "\n" for t in many_texts[i::3])
        fs.pipe(f"/bkt/web/{i}.jsonl.gz", gzip.compress(lines.encode()))
    try:
        remote = DomainSpec(id="web", paths=("memory://bkt/web/*.jsonl.gz",))
        shard = shard_of(remote, workspace.context(workers=2), holdout_fraction=0.1)
    finally:
        fs.rm("/bkt", recursive=True)
    assert trained(shard) == sorted((t for t in many_texts if number(t) >= LIMIT // 10), key=number)


def test_a_remote_file_that_is_gone_when_it_is_read(workspace):
    fs = fsspec.filesystem("memory")
    fs.pipe("/bkt/web/a.txt", b"text")
    try:
        context = workspace.context()
        states = measure_domains([DomainSpec(id="web", paths=("memory://bkt/web",))], context)
    finally:
        fs.rm("/bkt", recursive=True)
    with pytest.raises(CorpusError, match=r"memory:///bkt/web/a\.txt: cannot read"):
        build_shards(states, context, holdout_fraction=0.0)
