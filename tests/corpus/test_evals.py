from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
from blake3 import blake3

from olmixctl.corpus import build_evals, build_shards, holdout_fraction, measure_domains, measure_evals
from olmixctl.corpus.holdout import threshold
from olmixctl.errors import CorpusError
from olmixctl.spec.model import DeclaredSpec, DomainSpec, EvalSpec


def number(text):
    return int.from_bytes(blake3(text.encode()).digest()[:8], "big")


def scored_texts(tokens):
    """The documents of byte-level eval tokens."""
    with np.load(tokens.path) as arrays:
        offsets = arrays["offsets"]
        return [
            bytes(arrays["tokens"][a:b].astype(np.uint8)).decode(errors="replace")
            for a, b in itertools.pairwise(offsets)
        ]


def build(evals, domains, context):
    states = measure_domains(domains, context)
    eval_states = measure_evals(evals, states, context)
    return build_evals(evals, states, eval_states, context), eval_states, states


def digests(evals, domains, context):
    return {k: v.digest for k, v in measure_evals(evals, measure_domains(domains, context), context).items()}


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, 0), (0.5, 2**63), (0.25, 2**62), (0.1, 2**64 // 10), (1.0, 2**64 - 1)]
)
def test_threshold(fraction, expected):
    assert threshold(fraction) == expected


def test_the_largest_fraction_of_the_heldout_evals_counts(heldout):
    evals = [heldout("a", fraction=0.01), heldout("b", fraction=0.05), EvalSpec(name="f", paths=("x",), fraction=0.5)]
    assert holdout_fraction(evals) == 0.05
    assert holdout_fraction([]) == 0.0


def test_held_out_documents_are_those_with_the_smallest_numbers(workspace, many_texts, heldout):
    domain = workspace.texts("web", many_texts)
    evals = [heldout("web", fraction=0.1, name="small"), heldout("web", fraction=0.3, name="large")]
    built, _, _ = build(evals, [domain], workspace.context())
    for eval_ in evals:
        held = sorted((t for t in many_texts if number(t) < eval_.fraction * 2**64), key=number)
        assert scored_texts(built[eval_.name]) == held
        with np.load(built[eval_.name].path) as arrays:
            assert arrays["sizes"].tolist() == [len(t.encode()) for t in held]
            assert not arrays["targets"].any()
            assert arrays["tokens"].dtype == np.uint16


def test_no_document_is_on_both_sides_even_of_two_domains(workspace, many_texts, heldout):
    """`b` repeats documents of `a`; what `a` holds out must be missing from `b`'s training tokens too."""
    domains = [workspace.texts("a", many_texts), workspace.jsonl("b/all.jsonl", many_texts[50:150])]
    evals = [heldout("a", fraction=0.2)]
    context = workspace.context()
    built, _, states = build(evals, domains, context)
    held = set(scored_texts(built["held"]))
    for shard in build_shards(states, context, holdout_fraction=0.2).values():
        tokens = np.load(shard.tokens_path)
        trained = bytes(np.where(tokens == 256, 0, tokens).astype(np.uint8)).decode().split("\0")[:-1]
        assert trained
        assert held.isdisjoint(trained)


def test_the_last_document_is_cut_at_the_limit(workspace, many_texts, heldout):
    domain = workspace.texts("web", many_texts)
    built, _, _ = build([heldout("web", fraction=0.3, max_tokens=100)], [domain], workspace.context())
    held = "".join(sorted((t for t in many_texts if number(t) < 0.3 * 2**64), key=number)).encode()[:100]
    assert built["held"].tokens == 100
    with np.load(built["held"].path) as arrays:
        assert bytes(arrays["tokens"].astype(np.uint8)) == held
        assert int(arrays["sizes"].sum()) == 100


def test_the_same_text_in_two_domains_is_scored_once(workspace, many_texts, heldout):
    domains = [workspace.texts("a", many_texts), workspace.jsonl("b/x.jsonl", many_texts)]
    built, _, _ = build([heldout("a", "b", fraction=0.2)], domains, workspace.context())
    texts = scored_texts(built["held"])
    assert len(texts) == len(set(texts)) == sum(number(t) < 0.2 * 2**64 for t in many_texts)


def test_the_digest_changes_exactly_with_what_is_scored(workspace, make_workspace, many_texts, heldout):
    domain = workspace.texts("web", many_texts)
    eval_ = heldout("web", fraction=0.2)
    context = workspace.context()
    base = digests([eval_], [domain], context)["held"]

    other = make_workspace("other")
    resharded = other.jsonl("web/all.jsonl.gz", many_texts[::-1])
    assert digests([eval_], [resharded], other.context())["held"] == base
    unscored = next(t for t in (f"extra {i}" for i in range(99)) if number(t) >= 0.2 * 2**64)
    workspace.write("web/extra.txt", unscored)
    assert digests([eval_], [domain], context)["held"] == base
    metadata = dataclasses.replace(eval_, weight=3.0, family="x", description="y", name="renamed")
    assert digests([metadata], [domain], context)["renamed"] == base
    assert digests([dataclasses.replace(eval_, fraction=0.3)], [domain], context)["held"] != base
    assert digests([dataclasses.replace(eval_, max_tokens=50)], [domain], context)["held"] != base
    scored = next(t for t in (f"extra {i}" for i in range(99)) if number(t) < 0.2 * 2**64)
    workspace.write("web/extra.txt", scored)
    assert digests([eval_], [domain], context)["held"] != base


def test_a_declared_domains_eval_is_its_revision(workspace, heldout):
    declared = DeclaredSpec(tokens=10**9, documents=None, revision="r1")
    domain = DomainSpec(id="pdfs", paths=("s3://x/*.npy",), declared=declared)
    context = workspace.context()
    first = digests([heldout("pdfs")], [domain], context)
    assert digests([heldout("pdfs")], [domain], context) == first
    revised = dataclasses.replace(domain, declared=dataclasses.replace(declared, revision="r2"))
    assert digests([heldout("pdfs")], [revised], context) != first
    states = measure_domains([domain], context)
    with pytest.raises(CorpusError, match="domain pdfs is declared, so its documents are not known"):
        build_evals([heldout("pdfs")], states, measure_evals([heldout("pdfs")], states, context), context)


def test_a_domain_too_small_for_one_held_out_document(workspace, heldout):
    texts = [t for t in (f"text {i}" for i in range(30)) if number(t) >= 0.1 * 2**64][:3]
    domain = workspace.texts("tiny", texts)
    with pytest.raises(CorpusError) as caught:
        digests([heldout("tiny", fraction=0.1)], [domain], workspace.context())
    message = str(caught.value)
    assert "eval held holds out 0.1 of domain tiny, which is none of its 3 documents" in message
    assert "raise `fraction`" in message


def test_a_domain_with_nothing_left_to_train_on(workspace, many_texts, heldout):
    held = [t for t in many_texts if number(t) < 0.5 * 2**64][:2]
    domains = [workspace.texts("web", many_texts), workspace.texts("tiny", held)]
    with pytest.raises(CorpusError, match="domain tiny has no document left to train on: all 2 are held out"):
        digests([heldout("web", fraction=0.5)], domains, workspace.context())


@pytest.fixture
def web(workspace, many_texts):
    return workspace.texts("web", many_texts)


def file_eval(workspace, lines, name="e.jsonl", **rest):
    workspace.write(f"evals/{name}", "".join(json.dumps(line) + "\n" for line in lines))
    return EvalSpec(name="file", paths=(f"evals/{name}",), **rest)


def test_continuations_are_scored_after_their_context(workspace, web):
    lines = [{"context": f"def f{i}(é):", "continuation": " pass" * (i + 1), "id": i} for i in range(5)]
    lines.append({"context": "", "continuation": "all of it"})
    built, _, _ = build([file_eval(workspace, lines)], [web], workspace.context())
    assert built["file"].kind == "continuation"
    assert sorted(scored_texts(built["file"])) == sorted(x["context"] + x["continuation"] for x in lines)
    with np.load(built["file"].path) as arrays:
        found = dict(
            zip(scored_texts(built["file"]), zip(arrays["targets"], arrays["sizes"], strict=True), strict=True)
        )
    for line in lines:
        given, scored = line["context"].encode(), line["continuation"].encode()
        assert found[line["context"] + line["continuation"]] == (len(given), len(scored))


def test_continuations_end_before_the_limit_and_are_never_cut(workspace, web):
    lines = [{"context": str(i), "continuation": "12345"} for i in range(20)]
    built, _, _ = build([file_eval(workspace, lines, max_tokens=23)], [web], workspace.context())
    assert built["file"].documents == 4
    built, _, _ = build([file_eval(workspace, lines, max_tokens=3)], [web], workspace.context())
    assert built["file"].documents == 1


def test_text_files_and_lines_are_the_same_eval(workspace, web):
    context = workspace.context()
    lines = file_eval(workspace, [{"text": "first text"}, {"text": "second text"}])
    workspace.write("plain/x.txt", "second text")
    workspace.write("plain/y.txt", "first text")
    files = dataclasses.replace(lines, paths=("plain/*.txt",))
    assert digests([lines], [web], context) == digests([files], [web], context)
    built, _, _ = build([files], [web], context)
    assert scored_texts(built["file"]) == sorted(["first text", "second text"], key=number)
    assert built["file"].kind == "text"


def test_white_space_and_order_in_an_eval_file_change_nothing(workspace, web):
    context = workspace.context()
    lines = [{"context": "a", "continuation": "b"}, {"context": "c", "continuation": "d"}]
    first = digests([file_eval(workspace, lines)], [web], context)
    assert digests([file_eval(workspace, [*lines[::-1], lines[0]])], [web], context) == first
    lines[0]["continuation"] = "B"
    assert digests([file_eval(workspace, lines)], [web], context) != first
    lines[0] = {"context": "", "continuation": "ab"}
    assert digests([file_eval(workspace, lines)], [web], context) != first


def test_an_eval_text_that_is_trained_on_names_both_places(workspace, web, many_texts):
    eval_ = file_eval(workspace, [{"text": "fresh"}, {"text": many_texts[7]}])
    with pytest.raises(CorpusError) as caught:
        digests([eval_], [web], workspace.context())
    assert str(caught.value).startswith(
        "evals/e.jsonl:2: eval file scores a text that domain web trains on: document 1 of web/0007.txt\n"
    )
    # The answer is not remembered as a pass.
    with pytest.raises(CorpusError, match="trains on"):
        digests([eval_], [web], workspace.context())


def test_an_eval_text_that_is_held_out_is_no_leak(workspace, web, many_texts, heldout):
    held = next(t for t in many_texts if number(t) < 0.2 * 2**64)
    evals = [file_eval(workspace, [{"text": held}]), heldout("web", fraction=0.2)]
    assert len(digests(evals, [web], workspace.context())) == 2
    # The same text is a leak as soon as nothing holds it out.
    with pytest.raises(CorpusError, match="trains on"):
        digests(evals[:1], [web], workspace.context())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"context": "a"}, r"an eval line with context \(str\)"),
        ({"prompt": "a", "answer": "b"}, r"an eval line with \['answer', 'prompt'\]"),
        ({"text": "a", "continuation": "b"}, "an eval line with text"),
        ({"context": "a", "continuation": 3}, r"continuation \(int\)"),
        ({"context": "a", "continuation": ""}, "an empty document"),
        ({"text": ""}, "an empty document"),
        ({"text": "plain"}, r"eval file mixes plain text \(evals/e.jsonl:2\) with continuations"),
    ],
)
def test_a_wrong_eval_line(workspace, web, line, message):
    eval_ = file_eval(workspace, [{"context": "c", "continuation": "d"}, line])
    with pytest.raises(CorpusError, match=message):
        digests([eval_], [web], workspace.context())


def test_an_empty_eval_and_one_that_is_not_there(workspace, web):
    with pytest.raises(CorpusError, match=r"evals/e\.jsonl: the file holds no document"):
        digests([file_eval(workspace, [])], [web], workspace.context())
    with pytest.raises(CorpusError, match=r"'evals/none\.jsonl' matches nothing"):
        digests([EvalSpec(name="x", paths=("evals/none.jsonl",))], [web], workspace.context())


def test_evals_are_built_once_and_again_when_damaged(workspace, web, heldout):
    evals = [heldout("web", fraction=0.2)]
    first, _, _ = build(evals, [web], workspace.context())
    path = first["held"].path
    content, stamp = path.read_bytes(), path.stat().st_mtime_ns
    build(evals, [web], workspace.context())
    assert path.stat().st_mtime_ns == stamp
    path.write_bytes(content[:-30])
    assert build(evals, [web], workspace.context())[0] == first
    assert path.read_bytes() == content


def test_with_a_subword_tokenizer_sizes_are_bytes_of_text(workspace, web, heldout, word_tokenizer):
    evals = [
        heldout("web", fraction=0.2),
        file_eval(
            workspace, [{"context": "one", "continuation": " two größer"}, {"context": "", "continuation": "end"}]
        ),
    ]
    built, _, _ = build(evals, [web], workspace.context("tokenizer.json"))
    with np.load(built["file"].path) as arrays:
        pairs = sorted(zip(arrays["targets"].tolist(), arrays["sizes"].tolist(), strict=True))
        assert pairs == [(0, 3), (1, len(" two größer".encode()))]
    with np.load(built["held"].path) as arrays:
        assert arrays["sizes"].sum() > len(arrays["tokens"])


def test_token_files_are_scored_by_the_bytes_they_stand_for(workspace, heldout):
    (workspace.root / "t").mkdir()
    rng = np.random.default_rng(0)
    np.save(workspace.root / "t/a.npy", rng.integers(0, 257, 100_000).astype(np.uint16))
    built, _, _ = build([heldout("t", fraction=0.3)], [DomainSpec(id="t", paths=("t",))], workspace.context())
    with np.load(built["held"].path) as arrays:
        assert 0 < len(arrays["tokens"]) < 100_000
        assert int(arrays["sizes"].sum()) == int((arrays["tokens"] < 256).sum())


def test_about_how_many_tokens_a_run_scores(workspace, web, heldout, many_texts):
    """For costs: held-out documents by their fraction, files by their bytes, neither beyond `max_tokens`."""
    lines = [{"context": "2 + 2 = ", "continuation": "4"}, {"context": "3 + 3 = ", "continuation": "6"}]
    evals = [
        file_eval(workspace, lines),
        dataclasses.replace(file_eval(workspace, lines), name="cut", max_tokens=5),
        heldout("web", fraction=0.2, name="held"),
    ]
    _, states, _ = build(evals, [web], workspace.context())
    total = sum(len(text.encode()) for text in many_texts)
    assert {name: state.tokens for name, state in states.items()} == {
        "file": 18, "cut": 5, "held": round(0.2 * total)
    }  # fmt: skip


def test_a_declared_eval_is_its_name_and_revision_and_reads_nothing(workspace, many_texts):
    context, domain = workspace.context(), workspace.texts("web", many_texts)
    evals = [EvalSpec(name="loss", declared="a"), EvalSpec(name="other", declared="a")]
    before = digests(evals, [domain], context)
    assert before["loss"] != before["other"]
    assert digests([dataclasses.replace(evals[0], weight=3.0)], [domain], context)["loss"] == before["loss"]
    assert digests([dataclasses.replace(evals[0], declared="b")], [domain], context)["loss"] != before["loss"]
    assert measure_evals(evals, measure_domains([domain], context), context)["loss"].tokens == 0


def test_a_declared_eval_cannot_be_measured(workspace, many_texts):
    domain = workspace.texts("web", many_texts)
    with pytest.raises(CorpusError, match="eval loss is declared: its values are adopted") as caught:
        build([EvalSpec(name="loss", declared="a")], [domain], workspace.context())
    assert "`paths` or `heldout`" in caught.value.remedy
