"""Addresses that grow with the walk are those of the paths; groups are found as their expressions find them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from olmixctl.spec.select import _expression, select
from olmixctl.spec.source import address, parse_source

KEYS = st.sampled_from(["domains", "web", "a", "paths", "x.y", "a/b"])
VALUES = st.recursive(
    st.sampled_from(["v", 1, None]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=25,
)
IDS = st.text("ab-./", min_size=1, max_size=6)


def paths(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(item, (*path, key))


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_value_stands_at_the_address_of_its_path(data):
    source = parse_source(json.dumps(data), "mix.yaml")
    assert source.data == data
    assert set(source.values) == {address(path) for path in paths(data)}
    assert set(source.keys) == {address(path) for path in paths(data) if path and isinstance(path[-1], str)}


def test_domains_go_by_their_ids_at_any_depth():
    source = parse_source("domains: {a: {domains: {b: {domains: {c: {paths: [x]}}}}}, d: {tags: [t]}}", "mix.yaml")
    assert {"domains.a/b/c.paths[0]", "domains.a/b.domains", "domains.d.tags[0]"} <= set(source.values)


@given(IDS, st.lists(IDS, unique=True))
def test_a_group_is_what_its_expression_matches(name, ids):
    found = select(name, dict.fromkeys(ids, ()))
    expected = (name,) if name in ids else tuple(sorted(i for i in ids if _expression(name.rstrip("/")).fullmatch(i)))
    assert found == expected
