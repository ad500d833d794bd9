from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading

import fsspec
import numpy as np
import pytest
from blake3 import blake3

from olmixctl.corpus import declared_state, measure_domains, rehash
from olmixctl.corpus import measure as measure_module
from olmixctl.errors import CorpusError
from olmixctl.spec.model import DeclaredSpec, DomainSpec


@pytest.fixture
def reads(monkeypatch):
    """The files that were scanned, in any order."""
    seen = []
    original = measure_module.scan_file

    def scan(source, tokenizer):
        seen.append(source.shown)
        return original(source, tokenizer)

    monkeypatch.setattr(measure_module, "scan_file", scan)
    monkeypatch.setattr(measure_module, "_RACY_NS", 0)
    return seen


def test_counts_are_those_of_wc(workspace, many_texts):
    domain = workspace.texts("web", many_texts)
    state = measure_domains([domain], workspace.context())["web"]
    wc = subprocess.run(
        f"cat {workspace.root}/web/*.txt | wc -c", shell=True, capture_output=True, text=True, check=True
    )
    assert state.tokens == int(wc.stdout)
    assert state.documents == len(state.files) == 200
    assert [f.path for f in state.files] == [f"{i:04}.txt" for i in range(200)]


def test_a_file_state_is_what_the_file_holds(workspace):
    workspace.write("web/b.jsonl.gz", '{"text": "né"}\n{"text": "x"}\n')
    path = workspace.write("web/a.txt", "größe")
    state = measure_domains([DomainSpec(id="web", paths=("web",))], workspace.context())["web"]
    a, b = state.files
    assert a.digest == "b3:" + blake3(path.read_bytes()).hexdigest()
    assert (a.path, a.size, a.tokens, a.documents, a.format) == ("a.txt", 7, 7, 1, "text")
    assert b.digest == "b3:" + blake3((workspace.root / "web/b.jsonl.gz").read_bytes()).hexdigest()
    assert (b.tokens, b.documents, b.format) == (4, 2, "jsonl.gz")


def test_fingerprints_are_pinned(workspace):
    """A change of these is a new version of the algorithm: every lock of every user would call its data revised."""
    workspace.write("web/a.txt", "alpha")
    workspace.write("web/b.jsonl", '{"text": "beta"}\n')
    state = measure_domains([DomainSpec(id="web", paths=("web",))], workspace.context())["web"]
    assert state.fingerprint == PINNED_FINGERPRINT
    assert state.content == PINNED_CONTENT


PINNED_FINGERPRINT = "olx1:b8b79c78341240afb6b496d76a836f19b4c00f6fa143e6f96d81046318ea1042"
PINNED_CONTENT = "olc1:6dff3c21af511a6f0ff204875b929e2a239c04cc3efa33347b1267fd9516b32f"


def test_nothing_is_read_twice(workspace, many_texts, reads):
    domain = workspace.texts("web", many_texts[:10])
    first = measure_domains([domain], workspace.context())
    assert len(reads) == 10
    assert measure_domains([domain], workspace.context()) == first
    assert len(reads) == 10
    workspace.write("web/0003.txt", "changed")
    workspace.write("web/new.txt", "new")
    second = measure_domains([domain], workspace.context())
    assert sorted(reads[10:]) == ["web/0003.txt", "web/new.txt"]
    assert second["web"].fingerprint != first["web"].fingerprint
    (workspace.root / "web/new.txt").unlink()
    workspace.texts("web", many_texts[:10])
    assert measure_domains([domain], workspace.context()) == first


def test_another_tokenizer_or_format_is_measured_anew(workspace, reads, word_tokenizer):
    workspace.write("web/a.txt", "one two two")
    domain = DomainSpec(id="web", paths=("web",))
    as_bytes = measure_domains([domain], workspace.context())["web"]
    as_words = measure_domains([domain], workspace.context("tokenizer.json"))["web"]
    assert (as_bytes.tokens, as_words.tokens, len(reads)) == (11, 3, 2)
    assert as_bytes.content != as_words.content
    assert as_bytes.fingerprint != as_words.fingerprint


def test_touching_changes_no_fingerprint_but_is_checked(workspace, many_texts, reads):
    domain = workspace.texts("web", many_texts[:3])
    first = measure_domains([domain], workspace.context())
    os.utime(workspace.root / "web/0001.txt", (1, 1))
    assert measure_domains([domain], workspace.context()) == first
    assert reads[3:] == ["web/0001.txt"]


def test_a_change_that_keeps_size_and_time_is_seen(workspace, reads):
    path = workspace.write("web/a.txt", "aaaa")
    domain = DomainSpec(id="web", paths=("web",))
    first = measure_domains([domain], workspace.context())
    times = path.stat()
    path.write_text("bbbb")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert measure_domains([domain], workspace.context()) != first


def test_a_file_changed_a_moment_ago_is_not_trusted(workspace, monkeypatch, reads):
    """Two writes within one tick of the file system's clock have one time stamp."""
    monkeypatch.setattr(measure_module, "_RACY_NS", 10**12)
    domain = workspace.texts("web", ["a", "b"])
    measure_domains([domain], workspace.context())
    measure_domains([domain], workspace.context())
    assert len(reads) == 4


def test_a_file_that_changes_while_it_is_read(workspace, monkeypatch):
    domain = workspace.texts("web", ["a", "b"])
    original = measure_module.scan_file

    def scan(source, tokenizer):
        found = original(source, tokenizer)
        workspace.write("web/0001.txt", "appended")
        return found

    monkeypatch.setattr(measure_module, "scan_file", scan)
    with pytest.raises(CorpusError, match=r"web/0001\.txt: the file changed while it was read"):
        measure_domains([domain], workspace.context())


def test_a_file_found_wrong_because_it_changes_is_said_to_change(workspace, monkeypatch):
    domain = workspace.texts("web", ["a", "b"])
    original = measure_module.scan_file

    def scan(source, tokenizer):
        if source.shown == "web/0001.txt":
            workspace.write("web/0001.txt", "")  # as it is between being emptied and written again
        return original(source, tokenizer)

    monkeypatch.setattr(measure_module, "scan_file", scan)
    with pytest.raises(CorpusError, match=r"web/0001\.txt: the file changed while it was read"):
        measure_domains([domain], workspace.context())


def test_a_file_found_wrong_that_did_not_change_is_wrong(workspace):
    domain = workspace.texts("web", ["a", ""])
    with pytest.raises(CorpusError, match=r"web/0001\.txt: the file holds no document"):
        measure_domains([domain], workspace.context())


def test_one_file_in_two_domains(workspace):
    workspace.texts("all/web", ["a", "b"])
    domains = [DomainSpec(id="web", paths=("all/web",)), DomainSpec(id="all", paths=("all/**/*1.txt",))]
    for order in (domains, domains[::-1]):
        with pytest.raises(
            CorpusError,
            match=r"^domains\.web\.paths\[0\]: all/web/0001\.txt: the file stands in two domains, all and web\n",
        ):
            measure_domains(order, workspace.context())


def test_equal_content_in_two_domains_is_only_a_fact(workspace):
    domains = [workspace.texts("web", ["a", "b"]), workspace.texts("copy", ["a", "b"])]
    states = measure_domains(domains, workspace.context())
    assert states["web"].content == states["copy"].content
    assert states["web"].fingerprint == states["copy"].fingerprint


def test_domains_come_in_the_order_asked_and_do_not_depend_on_it(workspace):
    domains = [workspace.texts(name, [name, name * 2]) for name in ("b", "a", "c")]
    states = measure_domains(domains, workspace.context())
    assert list(states) == ["b", "a", "c"]
    assert measure_domains(domains[::-1], workspace.context()) == states


def test_a_declared_domain_is_its_revision_and_counts(workspace):
    declared = DeclaredSpec(tokens=243, documents=31, revision="2026-02-11")
    domain = DomainSpec(id="pdfs", paths=("s3://nowhere/*.npy",), declared=declared)
    state = measure_domains([domain], workspace.context())["pdfs"]
    assert (state.tokens, state.documents, state.files) == (243, 31, ())
    renamed = declared_state(dataclasses.replace(domain, id="other", paths=("x",)))
    assert (renamed.fingerprint, renamed.content) == (state.fingerprint, state.content)
    for change in ({"tokens": 244}, {"documents": None}, {"revision": "2026-02-12"}):
        other = declared_state(dataclasses.replace(domain, declared=dataclasses.replace(declared, **change)))
        assert other.fingerprint != state.fingerprint
        assert other.content != state.content
    with pytest.raises(CorpusError, match="domain web declares no revision"):
        declared_state(DomainSpec(id="web", paths=("x",)))


def test_token_files_count_blocks_as_documents(workspace):
    tokens = (np.arange(5000) % 256).astype(np.uint16)
    (workspace.root / "t").mkdir()
    np.save(workspace.root / "t/a.npy", tokens)
    tokens.tofile(workspace.root / "t/b.bin")
    state = measure_domains([DomainSpec(id="t", paths=("t",), dtype="uint16")], workspace.context())["t"]
    assert [(f.tokens, f.documents, f.format) for f in state.files] == [(5000, 3, "npy"), (5000, 3, "bin:uint16")]
    np.save(workspace.root / "t/a.npy", tokens + 100)
    with pytest.raises(CorpusError, match=r"t/a\.npy: token id 355, but bytes has 257"):
        measure_domains([DomainSpec(id="t", paths=("t/*.npy",))], workspace.context())


def test_remote_files_are_measured_and_kept_by_what_the_store_says(reads, workspace):
    fs = fsspec.filesystem("memory")
    fs.pipe("/bkt/web/a.txt", b"alpha")
    fs.pipe("/bkt/web/b.jsonl", b'{"text": "beta"}\n')
    try:
        domain = DomainSpec(id="web", paths=("memory://bkt/web",))
        state = measure_domains([domain], workspace.context())["web"]
        assert (state.fingerprint, state.content) == (PINNED_FINGERPRINT, PINNED_CONTENT)
        assert measure_domains([domain], workspace.context())["web"] == state
        assert len(reads) == 2
        fs.pipe("/bkt/web/a.txt", b"ALPHA")
        assert measure_domains([domain], workspace.context())["web"] != state
        assert rehash(state, workspace.context()) == ("a.txt",)
    finally:
        fs.rm("/bkt", recursive=True)


def test_progress_counts_bytes_to_the_end(workspace, many_texts):
    calls = []
    domain = workspace.texts("web", many_texts)
    measure_domains([domain], workspace.context(on_progress=lambda done, total: calls.append((done, total))))
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1] == sum(len(t.encode()) for t in many_texts)


def test_the_first_wrong_file_in_order_is_reported_and_the_others_are_kept(workspace, many_texts, reads):
    domain = workspace.texts("web", many_texts)
    workspace.write("web/0150.txt", b"\xff")
    workspace.write("web/0170.txt", b"")
    with pytest.raises(CorpusError, match=r"web/0150\.txt: invalid UTF-8 at byte 0"):
        measure_domains([domain], workspace.context(workers=2))
    reads.clear()
    workspace.write("web/0150.txt", "repaired")
    workspace.write("web/0170.txt", "filled")
    measure_domains([domain], workspace.context())
    assert {"web/0150.txt", "web/0170.txt"} <= set(reads)
    assert len(reads) < 100


def test_rehash_reads_everything_and_names_what_drifted(workspace, many_texts):
    domain = workspace.texts("web", many_texts[:5])
    state = measure_domains([domain], workspace.context())["web"]
    assert rehash(state, workspace.context()) == ()
    workspace.write("web/0002.txt", "drifted")
    (workspace.root / "web/0004.txt").unlink()
    assert rehash(state, workspace.context()) == ("0002.txt", "0004.txt")


def test_moving_the_workspace_changes_nothing(workspace, many_texts, tmp_path):
    domain = workspace.texts("web", many_texts[:20])
    before = measure_domains([domain], workspace.context())["web"]
    shutil.move(workspace.root / "web", tmp_path / "elsewhere")
    moved = dataclasses.replace(domain, paths=(f"{tmp_path}/elsewhere/**/*.txt",))
    after = measure_domains([moved], workspace.context())["web"]
    assert (after.fingerprint, after.content, after.tokens) == (before.fingerprint, before.content, before.tokens)


def test_the_domain_cache_knows_a_renamed_file(workspace, many_texts):
    domain = workspace.texts("web", many_texts[:3])
    before = measure_domains([domain], workspace.context())["web"]
    (workspace.root / "web/0002.txt").rename(workspace.root / "web/renamed.txt")
    after = measure_domains([domain], workspace.context())["web"]
    assert after.fingerprint != before.fingerprint
    assert after.content == before.content


def test_two_threads_measuring_at_once_agree(workspace, many_texts):
    domain = workspace.texts("web", many_texts)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(measure_domains([domain], workspace.context())))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(r == results[0] for r in results)


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("numpy", "fsspec", "blake3", "zstandard", "sqlite3", "torch", "tokenizers")
    code = f"import json, sys, olmixctl.corpus; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == []
