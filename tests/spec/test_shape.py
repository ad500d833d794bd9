"""The quick form of a schema says what the schema says."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from olmixctl.spec import schema as schema_module
from olmixctl.spec.schema import load_schema, violations
from olmixctl.spec.shape import compile_shape

MIX = load_schema("mix")
SMALL = {
    "version": 1,
    "name": "small",
    "target": {"tokens": "1M"},
    "domains": {"a": {"paths": ["a.txt"]}, "b": {"paths": ["b.txt"]}},
    "evals": [{"name": "h", "heldout": "a", "fraction": 0.1}],
    "proxy": {"model": "250k", "tokens": "400K"},
}
FULL = SMALL | {
    "target": {"tokens": 10**12, "max_repetition": 3.5},
    "domains": {
        "web": {
            "max": 0.8,
            "tags": ["crawl"],
            "domains": {"science": {"paths": ["s3://bucket/*.jsonl.zst"], "min": 0, "protected": True}},
        },
        "pdfs": {"paths": ["p/*.npy"], "declared": {"tokens": "243B", "documents": "31M", "revision": "a"}},
        "raw": {"paths": ["raw.bin"], "dtype": "uint16", "owner": "us"},
    },
    "changes": [{"move": {"from": "a", "to": "b"}}, {"merge": {"from": ["a", "b/c"], "into": "d"}}],
    "evals": [
        {"name": "h", "heldout": ["web", "tag:crawl"], "fraction": 0.01, "max_tokens": "1M"},
        {"name": "f", "paths": ["e.jsonl"], "weight": 2, "family": "code"},
    ],
    "objective": {
        "kl": 0.05,
        "reference": {"web/science": 0.5, "pdfs": 0.25, "raw": 0.25},
        "guardrails": [{"metric": "f", "max_regression": 0.01}],
    },
    "constraints": [{"name": "c", "domains": ["web", "raw"], "min": 0.05}, {"name": "d", "domains": ["raw"], "max": 1}],
    "swarm": {"runs_per_coordinate": 3, "seed": 0},
    "reuse": "auto",
    "executor": {"kind": "local", "threads": 2},
    "budget": {"max_runs": 200, "currency": "EUR"},
}
BASES = [SMALL, FULL]

SCALARS = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 0.0, 1.0, 0.5, 2.0, 1e30, float("inf"), float("nan")]),
    st.sampled_from(["", "a", "natural", "1T", "5x", "0K", "a/b", "-a", "a\n", "15m", "uint16", "tag:x", "local"]),
)
NAMES = ["domains", "paths", "min", "max", "name", "x", "-", "heldout", "reference"]
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(st.sampled_from(NAMES), below, max_size=3),
    ),
    max_leaves=6,
)


def places(value, path=()):
    """Every place in a JSON value, itself included."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


@st.composite
def bent(draw):
    """A valid mix with one to three values replaced, removed, added or renamed."""
    data = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from([p for p in places(data) if p]))
        holder = data
        for key in above:
            holder = holder[key]
        match draw(st.sampled_from(["replace", "remove", "add", "rename"])):
            case "remove":
                del holder[last]
            case "add" if isinstance(holder, dict):
                holder[draw(st.sampled_from(NAMES))] = draw(VALUES)
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(["x", "with space", "", "a\n", "min"]))] = holder.pop(last)
            case _:
                holder[last] = draw(VALUES)
    return data


def valid(data, schema):
    return not any(Draft202012Validator(schema).iter_errors(data))


@pytest.mark.parametrize("data", BASES)
def test_a_valid_mix_needs_no_second_reading(data, monkeypatch):
    monkeypatch.setattr("jsonschema.Draft202012Validator", None)
    assert violations(data, MIX) == []


@given(bent())
def test_a_mix_has_the_shape_exactly_when_the_schema_finds_nothing(data):
    asked = compile_shape(MIX)(data)
    # NaN is below no minimum for jsonschema and not above it here: a no is asked again, so only a wrong yes counts.
    assert asked == valid(data, MIX) or (not asked and "NaN" in json.dumps(data))


@pytest.mark.parametrize(
    "rule",
    [
        {"const": 1},
        {"const": True},
        {"enum": [0, "a", None, False]},
        {"type": "integer"},
        {"type": ["number", "null"]},
        {"type": "boolean"},
        {"minimum": 1},
        {"exclusiveMinimum": 0, "maximum": 1},
        {"minLength": 1, "pattern": "^[a-z]"},
        {"minItems": 1, "items": {"type": "string"}},
        {"required": ["min"], "minProperties": 2},
        {"maxProperties": 1, "additionalProperties": False, "properties": {"x": {}}},
        {"propertyNames": {"pattern": "^m"}, "additionalProperties": {"type": "number"}},
        {"if": {"type": "string"}, "then": {"enum": ["a"]}},
        {"if": {"type": "string"}, "else": {"type": "array"}},
        {"$ref": "#/$defs/list", "$defs": {"list": {"type": "array", "items": {"$ref": "#/$defs/list"}}}},
        True,
        False,
    ],
)
@given(data=VALUES)
def test_each_keyword_means_what_the_standard_says(rule, data):
    whole = {"properties": {"x": rule}, "$defs": rule.get("$defs", {}) if isinstance(rule, dict) else {}}
    asked = compile_shape(whole)({"x": data})
    assert asked == valid({"x": data}, whole) or (not asked and "NaN" in json.dumps(data))


@pytest.mark.parametrize("rule", [{"oneOf": [{}]}, {"uniqueItems": True}, {"$ref": "urn:other"}, {"enum": [[1]]}])
def test_a_keyword_without_a_quick_form_is_left_to_jsonschema(rule):
    assert compile_shape({"properties": {"x": rule}}) is None


def test_what_is_wrong_is_still_found_in_words():
    data = SMALL | {"evals": []}
    assert [v.path for v in violations(data, MIX)] == [("evals",)]
    assert schema_module.compile_shape(MIX)(data) is False
