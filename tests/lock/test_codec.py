"""The lockfile as people and tools meet it: its text, its schema, and every way it can be broken."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
import yaml
from locks import make_lock

from olmixctl.errors import IntegrityError, StaleError
from olmixctl.fingerprint import sha256_hex
from olmixctl.lock import dump, parse, read_lock, write_lock
from olmixctl.lock.model import ActiveBound, Excluded

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/lock.schema.json").read_text())


def resealed(text):
    """`text` with an integrity line that fits it."""
    body = text[: text.rindex("integrity: ")]
    return f"{body}integrity: sha256:{sha256_hex(body)}\n"


def test_weights_are_a_block_of_aligned_decimals(lock):
    assert "weights:\n  code: 0.250000\n  web/health: 0.150000\n  web/science: 0.600000\n" in dump(lock)


@pytest.mark.parametrize("block", [(), ("web/health", "web/science")])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"surrogate": None, "predicted": {}, "evidence": ()},
        {"excluded": (Excluded(run="r1:" + "0" * 64, reason="loss spike"),)},
        {"parents": ("sha256:" + "a" * 64,), "serial": 7},
        {"parents": ("sha256:" + "a" * 64, "sha256:" + "b" * 64), "serial": 7},
    ],
)
def test_the_text_fits_the_schema(block, fields):
    lock = make_lock({"code": 0.25, "web/health": 0.15, "web/science": 0.6}, block=block, **fields)
    solution = dataclasses.replace(
        lock.solution, active=(ActiveBound(constraint="max:code", multiplier=Decimal("0.01")),)
    )
    document = yaml.safe_load(dump(dataclasses.replace(lock, solution=solution)))
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(document)) == []


TWO = ("sha256:" + "a" * 64, "sha256:" + "b" * 64)


@pytest.mark.parametrize(
    ("parents", "line"),
    [((), "parent: null\n"), (TWO[:1], f"parent: {TWO[0]}\n"), (TWO, f"parents: [{TWO[0]}, {TWO[1]}]\n")],
)
def test_fewer_than_two_parents_are_written_as_ever_and_two_as_a_list(lock, parents, line):
    text = dump(dataclasses.replace(lock, parents=parents))
    assert f"serial: 1\n{line}tool:" in text
    assert parse(text).parents == parents


@pytest.mark.parametrize(
    "line",
    [
        f"parents: [{TWO[0]}]",
        f"parents: [{TWO[1]}, {TWO[0]}]",
        f"parent: null\nparents: [{TWO[0]}, {TWO[1]}]",
        "parents: []",
    ],
)
def test_parents_have_one_way_of_being_written(lock, line):
    with pytest.raises(IntegrityError, match="canonical"):
        parse(resealed(dump(lock).replace("parent: null", line)))


def test_the_schema_takes_one_of_parent_and_parents(lock):
    valid = jsonschema.Draft202012Validator(SCHEMA).is_valid
    document = yaml.safe_load(dump(lock))
    assert not valid(document | {"parents": list(TWO)})
    del document["parent"]
    assert not valid(document)
    assert not valid(document | {"parents": list(TWO[:1])})


@pytest.mark.parametrize(
    ("section", "value"),
    [("weights", {"code": 1.2}), ("serial", 0), ("surprise", 1), ("lock_version", 2), ("integrity", "none")],
)
def test_the_schema_refuses_what_a_lock_cannot_say(lock, section, value):
    document = yaml.safe_load(dump(lock)) | {section: value}
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def test_a_hand_edited_weight_is_caught_and_says_what_to_do(lock):
    edited = dump(lock).replace("code: 0.250000", "code: 0.300000").replace("health: 0.150000", "health: 0.100000")
    with pytest.raises(IntegrityError, match=r"edited by hand(.|\n)*edit the mix file and apply"):
        parse(edited, "mixes/base.lock.yaml")


def test_weights_that_do_not_sum_to_one_are_refused_even_with_a_fitting_digest(lock):
    with pytest.raises(IntegrityError, match="sum to"):
        parse(resealed(dump(lock).replace("code: 0.250000", "code: 0.250001")))


def test_an_unknown_key_is_refused_not_dropped(lock):
    with pytest.raises(IntegrityError, match="canonical"):
        parse(resealed(dump(lock).replace("weights:", "future: 1\nweights:")))


def test_another_layout_of_the_same_values_is_refused(lock):
    with pytest.raises(IntegrityError, match="canonical"):
        parse(resealed(dump(lock).replace("serial: 1", "serial:  1")))


@pytest.mark.parametrize("missing", ["weights", "domains", "evidence", "solution", "lineage"])
def test_a_missing_section_is_named(lock, missing):
    lines = dump(lock).splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{missing}:"))
    end = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith(" "))
    with pytest.raises(IntegrityError, match=missing):
        parse(resealed("".join(lines[:start] + lines[end:])))


def test_conflict_markers_are_recognised_with_their_line(lock):
    lines = dump(lock).splitlines(keepends=True)
    text = "".join([*lines[:3], "<<<<<<< HEAD\n", *lines[3:5], "=======\n", *lines[3:5], ">>>>>>> other\n", *lines[5:]])
    with pytest.raises(IntegrityError, match=r"^base.lock.yaml:4: .*merge conflict"):
        parse(text, "base.lock.yaml")


def test_a_newer_lock_asks_for_a_newer_tool(lock):
    with pytest.raises(StaleError, match="upgrade olmixctl"):
        parse(resealed(dump(lock).replace("lock_version: 1", "lock_version: 2")))


def test_line_ends_of_windows_are_caught(lock):
    with pytest.raises(IntegrityError):
        parse(dump(lock).replace("\n", "\r\n"))


def test_no_file_is_no_lock(tmp_path):
    assert read_lock(tmp_path / "base.lock.yaml") is None


def test_writing_the_same_lock_touches_nothing(tmp_path, lock):
    path = tmp_path / "base.lock.yaml"
    assert write_lock(path, lock)
    before = path.stat().st_ino
    assert not write_lock(path, lock)
    assert path.stat().st_ino == before
    assert read_lock(path) == lock


def test_bytes_that_are_no_text_are_named(tmp_path, lock):
    path = tmp_path / "base.lock.yaml"
    path.write_bytes(dump(lock).encode()[:40] + b"\xff\xfe")
    with pytest.raises(IntegrityError, match=r"not UTF-8 \(byte 40\)"):
        read_lock(path)


def test_a_truncated_file_is_refused(tmp_path, lock):
    path = tmp_path / "base.lock.yaml"
    path.write_text(dump(lock)[:-200])
    with pytest.raises(IntegrityError, match="restore it from Git"):
        read_lock(path)
