"""Ratio constraints in a mix file: what they mean, and everything that can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from olmixctl.errors import InfeasibleError, SpecError
from olmixctl.spec.fmt import format_mix
from olmixctl.spec.load import parse_mix
from olmixctl.spec.model import RatioSpec
from olmixctl.spec.schema import load_schema, violations
from olmixctl.spec.semantic import full_digest, semantic_digest, semantic_inputs

MIX = """\
version: 1
name: small
target: {tokens: 1M}
domains:
  code: {paths: [a.txt], tags: [source]}
  web:
    domains:
      a: {paths: [b.txt]}
      b: {paths: [c.txt]}
evals:
  - {name: h, heldout: code, fraction: 0.1}
proxy: {model: 250k, tokens: 400K, sequence_length: 128, batch_size: 16}
constraints:
"""
GOOD = 'name: r, ratio: {of: [code], to: ["web/*"]}, min: 0.1, max: 0.5'


def load(*items):
    return parse_mix(MIX + "".join(f"  - {{{item}}}\n" for item in items), Path("mixes/small.yaml"))


def refuse(*items, kind=SpecError):
    with pytest.raises(kind) as error:
        load(*items)
    return error.value


def test_a_ratio_names_domains_on_both_sides():
    spec = load(GOOD, 'name: q, ratio: {of: ["tag:source"], to: [web/b]}, max: 2').spec
    assert spec.ratios == (
        RatioSpec(name="q", of=("code",), to=("web/b",), max=2.0),
        RatioSpec(name="r", of=("code",), to=("web/a", "web/b"), min=0.1, max=0.5),
    )
    assert spec.constraints == ()


def test_a_ratio_is_meaning_and_none_leaves_the_digest_as_it_was():
    none = parse_mix(MIX.removesuffix("constraints:\n"), Path("m.yaml")).spec
    assert semantic_inputs(none)["constraints"] == {}
    inputs = semantic_inputs(load(GOOD).spec)["constraints"]
    assert inputs == {"r": {"of": ["code"], "to": ["web/a", "web/b"], "min": 0.1, "max": 0.5}}
    changes = (("max: 0.5", "max: 0.6"), ("min: 0.1, ", ""), ("[code]", "[web/a]"), ('"web/*"', "web/b"))
    texts = [
        GOOD,
        *(
            GOOD.replace(old, new).replace('of: [web/a], to: ["web/*"]', "of: [web/a], to: [web/b]")
            for old, new in changes
        ),
    ]
    assert len({semantic_digest(load(text).spec) for text in texts}) == len(texts)
    assert full_digest(load(GOOD).spec) == full_digest(load(GOOD.replace("web/*", "web")).spec)


def test_the_schema_alone_knows_a_ratio_too():
    spec = load_schema("mix")
    item = {"name": "r", "ratio": {"of": ["code"], "to": ["web"]}, "max": 0.5}
    whole = {
        "version": 1,
        "name": "m",
        "target": {"tokens": "1M"},
        "domains": {"code": {"paths": ["a"]}},
        "evals": [{"name": "e", "paths": ["x"]}],
        "proxy": {"model": "250k", "tokens": "1M"},
    }
    assert violations(whole | {"constraints": [item]}, spec) == []
    assert violations(whole | {"constraints": [item | {"domains": ["code"]}]}, spec)
    assert violations(whole | {"constraints": [{"name": "r", "ratio": item["ratio"]}]}, spec)


def test_the_canonical_form_keeps_a_ratio():
    text = MIX + "  - name: r\n    ratio:\n        of: [code]   # above\n        to: [web]\n    max: 0.5\n"
    formed = format_mix(text)
    assert "      of: [code]   # above\n      to: [web]\n" in formed
    assert format_mix(formed) == formed


BAD = {
    "no bound": (
        "name: r, ratio: {of: [code], to: [web]}",
        "constraints[0].max",
        "min or max is missing",
        "`max: 0.5`",
    ),
    "nothing in it": ("name: r, ratio: {}, max: 1", "constraints[0].ratio.of", "of is missing", "of: [DOMAIN]"),
    "one side": ("name: r, ratio: {of: [code]}, max: 1", "constraints[0].ratio.to", "to is missing", "to: [DOMAIN]"),
    "an empty side": (
        "name: r, ratio: {of: [], to: [web]}, max: 1",
        "constraints[0].ratio.of",
        "an empty list",
        "a list of domain ids",
    ),
    "no mapping": (
        "name: r, ratio: code, max: 1",
        "constraints[0].ratio",
        "the text 'code'",
        "{of: [code], to: [web]}",
    ),
    "a third side": (
        "name: r, ratio: {of: [code], to: [web], by: [web]}, max: 1",
        "constraints[0].ratio.by",
        "unknown field 'by'",
        "fields here are: of, to",
    ),
    "domains too": (
        "name: r, domains: [code], ratio: {of: [code], to: [web]}, max: 1",
        "constraints[0].domains",
        "`domains` or `ratio`, not both",
        "make two constraints",
    ),
    "misspelt": (
        "name: r, domains: [code], ratios: {of: [code], to: [web]}, max: 1",
        "constraints[0].ratios",
        "unknown field 'ratios'",
        "did you mean 'ratio'?",
    ),
    "both sides": (
        "name: r, ratio: {of: [code, web/a], to: [web]}, max: 1",
        "constraints[0].ratio",
        "'web/a' is on both sides",
        "`of` or in `to`",
    ),
    "an unknown domain": (
        "name: r, ratio: {of: [code], to: [webs]}, max: 1",
        "constraints[0].ratio.to[0]",
        "'webs' names no domain",
        "did you mean 'web'?",
    ),
    "below zero": (
        "name: r, ratio: {of: [code], to: [web]}, min: -0.1",
        "constraints[0].min",
        "the number -0.1",
        "a ratio of at least 0",
    ),
    "a greatest of zero": (
        "name: r, ratio: {of: [code], to: [web]}, max: 0",
        "constraints[0].max",
        "the number 0",
        "a ratio above 0",
    ),
    "no number": (
        "name: r, ratio: {of: [code], to: [web]}, max: half",
        "constraints[0].max",
        "the text 'half'",
        "a ratio above 0",
    ),
    "a domain's name": (
        "name: code, ratio: {of: [code], to: [web]}, max: 1",
        "constraints.code.name",
        "name of a domain",
        "another name",
    ),
    "a group's name": (
        "name: web, ratio: {of: [code], to: [web]}, max: 1",
        "constraints.web.name",
        "a group of domains",
        "another name",
    ),
}


@pytest.mark.parametrize(("item", "field", "message", "remedy"), BAD.values(), ids=BAD)
def test_what_is_wrong_has_its_line_and_a_remedy(item, field, message, remedy):
    problem = next(p for p in refuse(item).problems if p.place.field == field)
    assert problem.exit_code == 1
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.place.line == 14
    assert problem.place.column > 1


def test_two_constraints_of_a_name():
    (problem,) = refuse(GOOD, "name: r, domains: [code], max: 0.9").problems
    assert problem.place.line == 15
    assert "stands twice" in problem.message


def test_a_least_ratio_above_the_greatest_is_a_conflict():
    error = refuse(GOOD.replace("0.1", "0.6"), kind=InfeasibleError)
    assert (error.exit_code, error.conflict) == (7, ("min:r", "max:r"))
    assert (error.place.line, error.place.field) == (14, "constraints.r.min")
    assert "at least 0.6 where at most 0.5 is left" in error.message


def test_a_fixed_ratio_may_be_declared():
    (ratio,) = load(GOOD.replace("0.1", "0.5")).spec.ratios
    assert ratio.min == ratio.max == 0.5
