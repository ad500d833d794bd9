"""What must not matter: how documents lie in files, where the files are, and when they were written."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.corpus import CorpusContext, build_evals, build_shards, measure_domains, measure_evals
from olmixctl.corpus.discover import _matcher
from olmixctl.corpus.index import load_index
from olmixctl.spec.model import DomainSpec, EvalSpec

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
DOCUMENTS = st.lists(TEXT, min_size=40, max_size=60, unique=True)
SUFFIXES = st.sampled_from([".jsonl", ".jsonl.gz", ".jsonl.zst"])
FRACTION = 0.2


def write(folder, parts, suffix=".jsonl"):
    import gzip

    import zstandard

    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(Path(suffix).suffix, bytes)
    folder.mkdir(parents=True)
    for i, part in enumerate(parts):
        data = "".join(json.dumps({"text": t}) + "\n" for t in part).encode()
        (folder / f"{i:03}{suffix}").write_bytes(pack(data))


def everything(root):
    """All that must be equal: counts, content, eval digest, shard bytes, eval bytes."""
    context = CorpusContext.open(root, tokenizer="bytes", workers=2)
    states = measure_domains([DomainSpec(id="web", paths=("web",))], context)
    state = states["web"]
    evals = [EvalSpec(name="h", heldout=("web",), fraction=FRACTION, max_tokens=200)]
    eval_states = measure_evals(evals, states, context)
    shard = build_shards(states, context, holdout_fraction=FRACTION)["web"]
    tokens = build_evals(evals, states, eval_states, context)["h"]
    return (
        (state.content, state.tokens, state.documents, eval_states["h"].digest),
        (shard.key, shard.tokens_path.parent.name, shard.tokens_path.read_bytes(), tokens.path.read_bytes()),
    )


@st.composite
def layouts(draw):
    """Documents, and two ways to spread them over files."""
    documents = draw(DOCUMENTS)
    documents += documents[: draw(st.integers(0, 5))]  # some stand twice

    def spread():
        order = draw(st.permutations(documents))
        cuts = sorted(draw(st.sets(st.integers(1, len(documents) - 1), max_size=5)))
        return [order[a:b] for a, b in itertools.pairwise([0, *cuts, len(documents)])]

    return spread(), spread(), draw(SUFFIXES), draw(SUFFIXES)


@given(layouts())
@settings(max_examples=20, deadline=None)
def test_how_documents_lie_in_files_changes_nothing_but_the_fingerprint(layout):
    one, two, suffix_one, suffix_two = layout
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        write(Path(a) / "web", one, suffix_one)
        write(Path(b) / "web", two, suffix_two)
        assert everything(Path(a)) == everything(Path(b))


@given(st.lists(DOCUMENTS, min_size=2, max_size=4), st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_another_folder_and_other_times_change_no_fingerprint(parts, seconds):
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        write(Path(a) / "web", parts)
        write(Path(b) / "deeper/elsewhere/web", parts[::-1][::-1])
        for path in (Path(b) / "deeper/elsewhere/web").iterdir():
            os.utime(path, (seconds, seconds))
        domain = DomainSpec(id="web", paths=("web",))
        here, there = Path(a), Path(b) / "deeper/elsewhere"
        states = [measure_domains([domain], CorpusContext.open(r, tokenizer="bytes"))["web"] for r in (here, there)]
        assert states[0].fingerprint == states[1].fingerprint
        assert states[0].content == states[1].content


@given(DOCUMENTS, TEXT)
@settings(max_examples=15, deadline=None)
def test_adding_a_document_changes_content_and_moves_no_other(documents, extra):
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        write(Path(a) / "web", [documents])
        write(Path(b) / "web", [documents, [extra]])
        indexes, contents = [], []
        for root in (Path(a), Path(b)):
            context = CorpusContext.open(root, tokenizer="bytes")
            state = measure_domains([DomainSpec(id="web", paths=("web",))], context)["web"]
            contents.append(state.content)
            indexes.append(load_index(state, context))
        assert contents[0] != contents[1]
        before = indexes[0].numbers[indexes[0].order()].tolist()
        after = indexes[1].numbers[indexes[1].order()].tolist()
        after.remove(int(indexes[1].numbers[-1]))
        assert before == after


@given(DOCUMENTS, st.integers(1, 2000))
@settings(max_examples=15, deadline=None)
def test_a_limit_gives_a_prefix(documents, limit):
    with tempfile.TemporaryDirectory() as a:
        write(Path(a) / "web", [documents])
        context = CorpusContext.open(Path(a), tokenizer="bytes")
        states = measure_domains([DomainSpec(id="web", paths=("web",))], context)
        whole = np.load(build_shards(states, context, holdout_fraction=0.1)["web"].tokens_path)
        part = np.load(build_shards(states, context, holdout_fraction=0.1, limit_tokens=limit)["web"].tokens_path)
        assert (whole[: len(part)] == part).all()
        assert len(part) >= min(limit, len(whole))


SEGMENT = st.text(st.sampled_from("ab.*?"), min_size=1, max_size=4).filter(lambda s: "**" not in s and s.strip("."))
NAME = st.text(st.sampled_from("ab."), min_size=1, max_size=4).filter(lambda s: s.strip("."))


@given(st.lists(st.one_of(SEGMENT, st.just("**")), max_size=3), SEGMENT, st.lists(NAME, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_patterns_match_as_the_standard_library_does(folders, last, names):
    """`glob` is the reference, on a real tree of one file."""
    import glob

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, *names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        pattern = "/".join([*folders, last])
        found = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207  (Path.glob follows other rules)
        expected = any(Path(folder, match).is_file() for match in found)
        regex, depth = _matcher(pattern)
        matched = regex.fullmatch("/".join(names)) is not None
        assert matched == expected
        if matched and depth is not None:
            assert len(names) == depth
