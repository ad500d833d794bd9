"""Inventories on disk: whole or said to be damaged, small, written once."""

from __future__ import annotations

import json
import random

import pytest
from edits import inventory_of, make_world
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.errors import IntegrityError
from olmixctl.inventory import (
    SAMPLE_SIZE,
    DocumentSample,
    Inventory,
    InventoryFile,
    SampledDocument,
    content_digest,
    take_sample,
)
from olmixctl.ledger.home import LocalHome
from olmixctl.ledger.inventories import (
    dump_inventory,
    inventory_name,
    missing_inventories,
    parse_inventory,
    put_inventory,
    read_inventories,
)

U64 = st.integers(0, 2**64 - 1)
PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8) | st.just(
    "b\udcff"
)


@st.composite
def inventories(draw):
    files = tuple(
        InventoryFile(path, draw(U64), draw(U64), draw(st.integers(1, 99)))
        for path in sorted(draw(st.sets(PATHS, min_size=1, max_size=4)))
    )
    rows = draw(st.lists(st.builds(SampledDocument, U64, st.integers(0, 999), st.integers(0, 3)), max_size=5))
    sample = draw(st.none() | st.just(DocumentSample(tuple(sorted(rows)), draw(U64))))
    documents, total = sum(f.documents for f in files), draw(st.integers(0, 2**256 - 1))
    return Inventory(
        fingerprint="olx1:ab", content=content_digest(documents, total, "t"), tokens=sum(f.tokens for f in files),
        documents=documents, total=total, tokenizer="t", files=files, sample=sample,
    )  # fmt: skip


@given(inventories())
def test_what_is_written_is_read(inventory):
    assert parse_inventory(dump_inventory(inventory).encode(), "olx1:ab", "x") == inventory


@given(st.lists(st.builds(SampledDocument, st.integers(0, 2000), st.integers(1, 9), st.just(0)), max_size=1500))
def test_a_sample_holds_every_document_under_its_limit(documents):
    sample = take_sample(documents)
    assert len(sample.documents) <= SAMPLE_SIZE
    assert list(sample.documents) == sorted(d for d in documents if d.number < sample.below)


def some_inventory(seed=5):
    world = make_world(random.Random(seed))
    name = min(world)
    return inventory_of(name, world[name])


def test_kept_once_and_found_by_fingerprint(tmp_path):
    home, inventory = LocalHome(tmp_path / "base.runs"), some_inventory()
    assert missing_inventories(home, [inventory.fingerprint]) == {inventory.fingerprint}
    assert put_inventory(home, inventory)
    before = home.read(inventory_name(inventory.fingerprint))
    assert not put_inventory(home, inventory)
    assert home.read(inventory_name(inventory.fingerprint)) == before
    assert missing_inventories(home, [inventory.fingerprint]) == set()
    found, damaged = read_inventories(home, [inventory.fingerprint, "olx1:none"])
    assert (found, damaged) == ({inventory.fingerprint: inventory}, {})


FIELDS = ("content", "documents", "tokens", "sum", "tokenizer", "columns", "digest", "sample_below", "fingerprint")


@pytest.mark.parametrize("field", FIELDS)
def test_an_altered_field_is_found(field):
    inventory = some_inventory()
    body = json.loads(dump_inventory(inventory))
    value = body[field]
    if field == "columns":
        body[field] = value | {"tokens": value["digests"]}
    else:
        body[field] = value + 1 if isinstance(value, int) else "7" + str(value)[1:]
    with pytest.raises(IntegrityError):
        parse_inventory(json.dumps(body).encode(), inventory.fingerprint, "x")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}", b'{"inventory_version": 1}', b"\xff"])
def test_what_is_no_inventory_is_said_to_be_damaged_and_stops_nothing(raw, tmp_path):
    home, inventory = LocalHome(tmp_path), some_inventory()
    (tmp_path / inventory_name(inventory.fingerprint)).write_bytes(raw)
    found, damaged = read_inventories(home, [inventory.fingerprint])
    assert found == {}
    assert "truncated or malformed" in damaged[inventory.fingerprint]


def test_a_newer_inventory_and_one_of_another_domain_are_told_apart_from_damage():
    inventory = some_inventory()
    text = dump_inventory(inventory)
    with pytest.raises(IntegrityError, match="inventory_version 2 is not 1"):
        parse_inventory(text.replace('"inventory_version": 1', '"inventory_version": 2').encode(), "olx1:a", "x")
    with pytest.raises(IntegrityError, match="named for another domain"):
        parse_inventory(text.encode(), "olx1:other", "x")


def test_a_hundred_thousand_files_stay_below_three_megabytes():
    rng = random.Random(1)
    files = tuple(
        InventoryFile(f"shard-{i // 1000:04}/part-{i:06}.jsonl.zst", rng.getrandbits(64), rng.randrange(10**7), 500)
        for i in range(100_000)
    )
    inventory = Inventory(
        fingerprint="olx1:a", content=content_digest(5, 7, "t"), tokens=1, documents=5, total=7, tokenizer="t",
        files=files, sample=take_sample(SampledDocument(rng.getrandbits(64), 9, 0) for _ in range(5000)),
    )  # fmt: skip
    assert len(dump_inventory(inventory)) < 3_000_000
