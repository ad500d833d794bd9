"""`objective.worst_case` and the families it takes the worst of."""

from __future__ import annotations

from pathlib import Path

import pytest

from olmixctl.errors import SpecError
from olmixctl.spec.families import declared_families, recorded_families
from olmixctl.spec.load import parse_mix
from olmixctl.spec.semantic import semantic_digest, semantic_inputs

MIX = """\
version: 1
name: small
target: {tokens: 1M}
domains:
  a: {paths: [a.txt]}
  b: {paths: [b.txt]}
evals:
  - {name: one, paths: [x.txt], family: code, weight: 2}
  - {name: two, paths: [y.txt], family: code}
  - {name: three, paths: [z.txt]}
  - {name: four, paths: [w.txt], family: idle, weight: 0}
proxy: {model: 250k, tokens: 400K, sequence_length: 128, batch_size: 16}
objective: {worst_case: true}
"""


def load(text=MIX):
    return parse_mix(text, Path("mixes/small.yaml")).spec


def refuse(text):
    with pytest.raises(SpecError) as error:
        load(text)
    (problem,) = error.value.problems
    assert problem.exit_code == 1
    return problem


def test_an_eval_without_a_family_is_its_own_and_one_without_weight_counts_nowhere():
    spec = load()
    assert spec.objective.worst_case
    families = {"code": {"one": 2.0, "two": 1.0}, "three": {"three": 1.0}}
    assert declared_families(spec.evals) == families
    assert declared_families(reversed(spec.evals)) == families
    assert list(declared_families(spec.evals)) == ["code", "three"]
    assert recorded_families(semantic_inputs(spec)) == families


def test_it_is_meaning_and_its_default_says_nothing():
    plain = MIX.replace("objective: {worst_case: true}\n", "")
    assert semantic_digest(load(plain)) == semantic_digest(load(MIX.replace("true", "false")))
    assert "worst_case" not in semantic_inputs(load(plain))["objective"]
    assert semantic_digest(load()) != semantic_digest(load(plain))
    assert semantic_inputs(load())["objective"]["worst_case"] is True


def test_one_family_has_no_worst():
    problem = refuse(MIX.replace("[z.txt]}", "[z.txt], family: code}"))
    assert (problem.place.line, problem.place.field) == (13, "objective.worst_case")
    assert "all evals with weight are of one family, 'code'" in problem.message
    assert "families of their own" in problem.remedy
    # Without the worst case it is what most mixes are.
    load(MIX.replace("[z.txt]}", "[z.txt], family: code}").replace("worst_case: true", "kl: 0.05"))


def test_a_name_means_one_family():
    problem = refuse(MIX.replace("name: three", "name: code"))
    assert (problem.place.line, problem.place.field) == (10, "evals.code.name")
    assert "'code' is the family of others" in problem.message
    assert "add `family: code`" in problem.remedy
    load(MIX.replace("name: three", "name: code").replace("worst_case: true", "kl: 0.05"))


@pytest.mark.parametrize(("value", "found"), [("1", "the number 1"), ('"yes"', "the text 'yes'"), ("[code]", "a list")])
def test_it_is_true_or_false(value, found):
    problem = refuse(MIX.replace("worst_case: true", f"worst_case: {value}"))
    assert (problem.place.line, problem.place.field) == (13, "objective.worst_case")
    assert found in problem.message
    assert problem.remedy == "write true or false"


def test_a_misspelt_key_is_named():
    assert "did you mean 'worst_case'?" in refuse(MIX.replace("worst_case", "worstcase")).remedy
