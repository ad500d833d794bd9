"""Laws of the lockfile: what is written is read back, has one text, and cannot be altered unseen."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import TRAPS, locks, texts

from olmixctl.errors import IntegrityError, OlmixctlError, StaleError
from olmixctl.lock import digest_of, dump, parse
from olmixctl.lock.codec import lock_as_json
from olmixctl.lock.emit import emit


@given(locks())
def test_what_is_dumped_is_parsed(lock):
    assert parse(dump(lock)) == lock


@given(locks())
def test_dump_depends_on_values_alone(lock):
    shuffled = dataclasses.replace(
        lock,
        domains=dict(reversed(lock.domains.items())),
        evals=dict(reversed(lock.evals.items())),
        inputs=dict(reversed(lock.inputs.items())),
        predicted=dict(reversed(lock.predicted.items())),
        evidence=tuple(reversed(lock.evidence)),
        excluded=tuple(reversed(lock.excluded)),
    )
    assert dump(shuffled) == dump(lock)
    assert digest_of(shuffled) == digest_of(lock)


@given(locks(), st.data())
def test_no_character_can_be_altered_unseen(lock, data):
    text = dump(lock)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda c: c != text[place]))
    with pytest.raises((IntegrityError, StaleError)):
        parse(text[:place] + other + text[place + 1 :])


@given(locks(), st.data())
def test_nothing_can_be_cut_off_or_added(lock, data):
    text = dump(lock)
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(OlmixctlError):
        parse(text[:end])
    with pytest.raises(OlmixctlError):
        parse(text + data.draw(texts))


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("serial: 2026-13-45\nlock_version: 1\n")
@example("lock_version: 0b\n")
@example("? [a]\n: b\n")
@example("{" * 5000)
@example("lock_version: .nan")
@example("lock_version: true\nintegrity: x")
@example("a: &x [*x]")
def test_any_text_is_read_or_refused_in_words(text):
    with pytest.raises(OlmixctlError):
        parse(text)


@given(locks())
def test_the_text_is_plain_yaml_with_exact_sums(lock):
    loader = type("Exact", (yaml.SafeLoader,), {})
    loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))
    document = yaml.load(dump(lock), Loader=loader)
    assert sum(document["weights"].values()) == Decimal(1)
    assert all(-w.as_tuple().exponent == 6 for w in document["weights"].values())
    assert document["name"] == lock.name


@given(locks())
def test_json_for_programs_says_the_same(lock):
    document = json.loads(json.dumps(lock_as_json(lock)))
    assert {d: round(w * 1_000_000) for d, w in document["weights"].items()} == dict(lock.weights)
    assert document["digest"] == digest_of(lock)
    assert list(document["domains"]) == sorted(lock.domains)


@given(texts, texts)
def test_strange_strings_come_back_as_strings(key, value):
    text = emit({"section": {key: value, "list": [value, value], "flow": {key: [value]}}})
    for loader in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        read = yaml.load(text, Loader=loader)["section"]
        expected = {key: value} | {"list": [value, value], "flow": {key: [value]}}
        assert read == expected or key in ("list", "flow")


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_survives_as_key_and_value(trap):
    assert yaml.safe_load(emit({"top": {trap: trap}})) == {"top": {trap: trap}}
    assert yaml.safe_load(emit({trap: [trap]})) == {trap: [trap]}


@given(locks())
def test_lines_end_in_line_feeds_alone(lock):
    text = dump(lock)
    assert text.endswith("\n")
    assert "\r" not in text
    assert text.isprintable() or set(text) - set(text.replace("\n", "")) <= {"\n"}


def test_floats_have_no_canonical_form():
    with pytest.raises(TypeError, match="float"):
        emit({"a": 0.1})
