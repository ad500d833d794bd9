"""Metrics that nobody measures here: name and revision are all there is to them."""

from __future__ import annotations

import pytest

from olmixctl.errors import SpecError
from olmixctl.spec.load import parse_mix
from olmixctl.spec.semantic import semantic_digest, semantic_inputs

MIX = """\
version: 1
name: small
target: {tokens: 1M}
domains:
  a: {paths: [a.txt]}
  b: {paths: [b.txt], declared: {tokens: 2M, revision: r}}
evals:
  - {name: loss, declared: {revision: "pile 1"}, family: text, weight: 2, description: as published}
proxy: {model: 250k, tokens: 400K, sequence_length: 128, batch_size: 16}
"""


def spec_of(text, tmp_path):
    return parse_mix(text, tmp_path / "small.yaml").spec


def test_a_declared_eval_arrives(tmp_path):
    (item,) = spec_of(MIX, tmp_path).evals
    assert (item.name, item.declared, item.family, item.weight) == ("loss", "pile 1", "text", 2.0)
    assert (item.paths, item.heldout, item.fraction) == ((), (), None)


def test_its_revision_is_meaning_and_its_description_is_not(tmp_path):
    before = semantic_digest(spec_of(MIX, tmp_path))
    assert semantic_digest(spec_of(MIX.replace("pile 1", "pile 2"), tmp_path)) != before
    assert semantic_digest(spec_of(MIX.replace("as published", "as printed"), tmp_path)) == before


def test_domains_that_declare_the_same_are_told_apart_by_their_revision(tmp_path):
    twin = MIX.replace("a: {paths: [a.txt]}", "a: {paths: [a.txt], declared: {tokens: 2M, revision: r}}")
    with pytest.raises(SpecError, match="'a' declares the same tokens and revision") as caught:
        spec_of(twin, tmp_path)
    assert caught.value.place.field == "domains.b.declared"
    assert '"r/b"' in caught.value.remedy
    for other in ('tokens: 2M, revision: "r/a"', "tokens: 2M, documents: 9, revision: r"):
        assert spec_of(twin.replace("tokens: 2M, revision: r", other, 1), tmp_path).domain_ids == ("a", "b")


def test_other_evals_say_nothing_of_it(tmp_path):
    """So that locks written before there were declared evals stay what they are."""
    text = MIX.replace('declared: {revision: "pile 1"}', "heldout: a, fraction: 0.1")
    assert "declared" not in semantic_inputs(spec_of(text, tmp_path))["evals"]["loss"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("declared: {}", "revision"),
        ('declared: {revision: ""}', "revision"),
        ("declared: {revision: 3}", "revision"),
        ("declared: {revision: a, tokens: 3}", "tokens"),
        ("declared: {revision: a}, paths: [x.txt]", "paths"),
        ("declared: {revision: a}, heldout: a, fraction: 0.1", "heldout"),
        ("declared: {revision: a}, max_tokens: 3", "max_tokens"),
    ],
)
def test_what_it_cannot_have_is_told_with_its_place(tmp_path, change, message):
    with pytest.raises(SpecError, match=message) as caught:
        spec_of(MIX.replace('declared: {revision: "pile 1"}', change), tmp_path)
    assert caught.value.problems[0].place.line == 8
