"""A mix file becomes the spec it declares, with the place of every value."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from olmixctl.errors import SpecError
from olmixctl.spec.load import load_mix, workspace_root
from olmixctl.spec.model import (
    BudgetSpec,
    ChangeSpec,
    ConstraintSpec,
    DeclaredSpec,
    ExecutorSpec,
    GuardrailSpec,
    ObjectiveSpec,
    ProxySpec,
    StopSpec,
    SwarmSpec,
    TargetSpec,
)
from olmixctl.spec.presets import PRESETS


def domain(loaded, id_):
    return next(d for d in loaded.spec.domains if d.id == id_)


def test_everything_that_can_be_said_arrives(load, full):
    spec = load(full).spec
    assert spec.name == "base"
    assert (spec.description, spec.owner) == ("free text", "data team")
    assert spec.target == TargetSpec(tokens=10**12, max_repetition=3.5)
    assert spec.tokenizer == "tokenizers/base.json"
    assert spec.domain_ids == ("code", "pdfs/a", "pdfs/b", "web/health", "web/science")
    assert spec.changes == (
        ChangeSpec(kind="move", sources=("web/medicine",), targets=("web/health",)),
        ChangeSpec(kind="partition", sources=("pdfs",), targets=("pdfs/a", "pdfs/b")),
        ChangeSpec(kind="merge", sources=("code/python", "code/rust"), targets=("code",)),
    )
    assert isinstance(spec.objective.reference, dict)
    assert spec.objective.guardrails == (GuardrailSpec(metric="python", max_regression=0.01),)
    stop = StopSpec(regret=0.002, confidence=0.8)
    drawn = SwarmSpec(runs_per_coordinate=Fraction(21, 10), seed=3, design="informative", rounds=4, stop=stop)
    assert spec.swarm == drawn
    assert (spec.surrogate, spec.method, spec.reuse) == ("log_linear", "olmix", "partial")
    assert spec.executor == ExecutorSpec(kind="fake", device="cpu", precision="bf16", parallelism=2, threads=1)
    assert spec.budget == BudgetSpec(max_runs=200, max_gpu_hours=50.0, gpu_hour_price=2.5, currency="EUR")
    assert spec.ledger == "s3://bucket/ledger"


def test_domains_inherit_from_their_groups(load, full):
    loaded = load(full)
    health, science = domain(loaded, "web/health"), domain(loaded, "web/science")
    assert health.tags == ("crawl", "sensitive")
    assert science.tags == ("crawl",)
    assert science.protected
    assert not health.protected, "a domain's own word goes before its group's"
    assert science.owner == "web team"
    assert (health.max, science.max) == (0.2, 1.0), "a group's bound is on the sum, not on each"
    assert health.source == "web"


def test_declared_and_raw_domains(load, full):
    loaded = load(full)
    declared = DeclaredSpec(tokens=243 * 10**9, documents=31 * 10**6, revision="2026-02-11")
    assert domain(loaded, "pdfs/a").declared == declared
    assert domain(loaded, "pdfs/b").dtype == "uint16"


def test_group_bounds_are_constraints_named_by_the_group(load, full):
    assert load(full).spec.constraints == (
        ConstraintSpec(name="code-share", domains=("code", "pdfs/a", "pdfs/b"), min=0.05, max=0.6),
        ConstraintSpec(name="crawled", domains=("web/health", "web/science"), max=0.7),
        ConstraintSpec(name="web", domains=("web/health", "web/science"), max=0.8),
    )


def test_evals_resolve_what_they_hold_out(load, full):
    python, web = load(full).spec.evals
    assert (python.name, python.paths, python.weight, python.max_tokens) == (
        "python",
        ("evals/python.jsonl",),
        2.5,
        10_000,
    )
    assert (python.family, python.description, python.fraction) == ("code", "tasks", None)
    assert (web.heldout, web.fraction, web.paths) == (("web/health", "web/science"), 0.01, ())


def test_proxy_tokens_by_the_parameter(load, full):
    expected = 5 * 20 * PRESETS["15m"].non_embedding_parameters
    assert load(full).spec.proxy == ProxySpec(
        model="15m", tokens=expected, sequence_length=512, batch_size=32, seed=7, repeats=2
    )


def test_what_is_left_out_is_the_default(load, small):
    spec = load(small).spec
    assert spec.target.max_repetition == 4.0
    assert spec.objective == ObjectiveSpec()
    assert spec.swarm == SwarmSpec()
    assert spec.executor == ExecutorSpec()
    assert spec.budget == BudgetSpec()
    assert (spec.tokenizer, spec.surrogate, spec.method, spec.reuse) == ("bytes", "auto", "olmix", "auto")
    assert (spec.constraints, spec.changes, spec.ledger) == ((), (), None)


@pytest.mark.parametrize("heldout", ["[a, b]", '"*"', '["tag:x", b]'])
def test_heldout_takes_ids_globs_tags_and_lists(load, small, heldout):
    text = small.replace("a.txt]", "a.txt], tags: [x]").replace("heldout: a", f"heldout: {heldout}")
    assert load(text).spec.evals[0].heldout == ("a", "b")


def test_shares_of_a_reference_are_normalised(load, small):
    text = small.replace("  b:", "  c: {paths: [c.txt]}\n  b:")
    text += "objective: {reference: {a: 0.333333, b: 0.333333, c: 0.333333}}\n"
    reference = load(text).spec.objective.reference
    assert sum(reference.values()) == pytest.approx(1.0, abs=1e-15)


def test_whole_numbers_may_be_written_with_a_point(load, small):
    loaded = load(small.replace("128", "128.0").replace("1M", "1000000.0"))
    assert (loaded.spec.proxy.sequence_length, loaded.spec.target.tokens) == (128, 1_000_000)
    assert isinstance(loaded.spec.proxy.sequence_length, int)


@pytest.mark.parametrize(
    ("where", "line", "column"),
    [
        ("version", 2, 10),
        ("target.tokens", 6, 18),
        ("domains", 8, 1),
        ("domains.web", 9, 3),
        ("domains.web.max", 10, 10),
        ("domains.web/health", 16, 7),
        ("domains.web/health.paths", 17, 9),
        ("domains.web/health.paths[1]", 17, 51),
        ("domains.web/health.max", 18, 14),
        ("domains.web/health.min", 16, 7),  # left to its default: the domain
        ("domains.web/nothing.min", 9, 3),  # not there: its group
        ("evals[0].paths[0]", 40, 28),
        ("evals.python.paths[0]", 40, 28),
        ("evals.web-heldout.heldout", 41, 34),
        ("constraints.crawled.domains[0]", 48, 31),
        ("nothing.at[3].all", 2, 1),
    ],
)
def test_every_value_has_a_place(load, full, where, line, column):
    place = load(full).place(where)
    assert (place.file, place.line, place.column, place.field) == ("mixes/m.yaml", line, column, where)


def test_places_are_in_the_table_by_address(load, full):
    places = load(full).places
    assert places["domains.web/health.max"] == (18, 14)
    assert "domains.web/health.min" not in places


def test_root_is_beside_the_folder_mixes(tmp_path):
    assert workspace_root(tmp_path / "mixes" / "m.yaml") == tmp_path
    assert workspace_root(tmp_path / "m.yaml") == tmp_path
    assert workspace_root(tmp_path / "mixes" / "deep" / "m.yaml") == tmp_path / "mixes" / "deep"


def test_load_mix_reads_the_file(tmp_path, small):
    path = tmp_path / "mixes" / "small.yaml"
    path.parent.mkdir()
    path.write_text(small, encoding="utf-8")
    loaded = load_mix(path)
    assert (loaded.path, loaded.root, loaded.text, loaded.spec.name) == (path, tmp_path, small, "small")


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path, small):
    path = tmp_path / "m.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + small.replace("\n", "\r\n").encode())
    loaded = load_mix(path)
    assert loaded.spec.domain_ids == ("a", "b")
    assert loaded.place("version").column == 10
    assert loaded.place("domains.b").line == 6


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"version: 1\nname: caf\xe9\n", "m.yaml:2:10", "not UTF-8: byte 0xe9 at offset 20"),
        (b"\xff\xfev\x00", "m.yaml:1:1", "not UTF-8, but UTF-16"),
        (b"", "m.yaml:1:1", "the file is empty"),
        (b"# only a comment\n", "m.yaml:1:1", "the file is empty"),
        (b"- a\n", "m.yaml:1:1", "found a list, not a mapping"),
        (b"abc\n", "m.yaml:1:1", "found a single value, not a mapping"),
        (b"version: 1\nname: a\x00b\n", "m.yaml:2:8", "U+0000"),
    ],
)
def test_files_that_are_no_mix(tmp_path, monkeypatch, content, place, message):
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_mix(Path("m.yaml"))
    assert str(caught.value.place) == place
    assert message in caught.value.message
    assert caught.value.remedy


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(SpecError, match="no such file"):
        load_mix(tmp_path / "nowhere.yaml")
    with pytest.raises(SpecError, match="is a folder"):
        load_mix(tmp_path)


def test_a_path_through_a_file_is_an_error_with_a_reason(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SpecError, match="cannot be read: Not a directory"):
        load_mix(tmp_path / "file" / "m.yaml")
