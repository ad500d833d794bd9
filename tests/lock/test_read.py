"""The quick way into a lock reads what YAML reads, and steps aside where it cannot."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from locks import make_lock
from strategies import locks, texts

from olmixctl.errors import IntegrityError
from olmixctl.fingerprint import sha256_hex
from olmixctl.lock import codec, dump, parse
from olmixctl.lock.emit import emit
from olmixctl.lock.read import read_lines

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(-(10**6), 10**6, places=6), texts)
RECORDS = st.dictionaries(texts, SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(texts, SCALARS, max_size=3))


def of_yaml(flow):
    return yaml.load(flow, Loader=codec._exact_loader())


def without_yaml(_flow):
    raise AssertionError("this line needs no YAML")


def sealed(body):
    return f"{body}integrity: sha256:{sha256_hex(body)}\n"


@given(st.dictionaries(texts, SCALARS | RECORDS))
def test_a_record_is_read_as_yaml_reads_it_or_not_at_all(document):
    text = emit(document)
    try:
        read = read_lines(text, of_yaml)
    except (ValueError, TypeError, yaml.YAMLError):
        return
    if emit(read) == text:
        assert read == document == (of_yaml(text) or {})


@given(locks())
def test_every_lock_is_read_the_same_both_ways(lock):
    quick = codec._read_quickly(dump(lock))
    assert quick is None or quick == lock
    assert codec._lock(codec._load(dump(lock), "lock")) == lock


def test_a_lock_of_usual_names_needs_no_yaml():
    text = dump(make_lock({"web/science": 0.5, "code": 0.3, "2024/pdfs": 0.2}, block=("code", "2024/pdfs")))
    lines = [line for line in text.split("\n") if "[" not in line and '": ' not in line and ': "' not in line]
    read_lines("\n".join(lines), without_yaml)
    assert codec._read_quickly(text) == parse(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("protected: false", "protected: false, owner: me"),
        ("serial: 1\n", "serial: 01\n"),
        ("serial: 1\n", "serial: 1\n\n"),
        ("serial: 1\n", "serial: 1 # first\n"),
        ("  code: 0.500000\n", "  code: 0.5\n"),
        ("  code: 0.500000\n", "    - code\n"),
        ("name: base\n", "name: base\nname: base\n"),
    ],
)
def test_what_is_not_canonical_is_refused_with_its_digest_in_order(old, new):
    body = dump(make_lock({"code": 0.5, "web": 0.5})).rpartition("integrity: ")[0]
    assert old in body
    with pytest.raises(IntegrityError):
        parse(sealed(body.replace(old, new, 1)))
