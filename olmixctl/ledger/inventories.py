"""The inventories of a ledger: `d1-HASH.json`, named by the domain's fingerprint, written once.

Tables are columns: numbers as 64-bit little-endian integers, paths with NUL between them (which no path holds), all
deflated and in base64. A hundred thousand files take about two megabytes. The digest is over the columns before they
are packed, so it does not depend on who deflated them.
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from olmixctl.errors import IntegrityError, Place
from olmixctl.fingerprint import canonical_json, sha256_hex
from olmixctl.inventory import (
    DocumentSample,
    Inventory,
    InventoryFile,
    SampledDocument,
    content_digest,
)
from olmixctl.ledger.files import check_text
from olmixctl.ledger.home import Home

__all__ = [
    "check_inventories",
    "dump_inventory",
    "inventory_name",
    "missing_inventories",
    "parse_inventory",
    "put_inventory",
    "read_inventories",
]

INVENTORY_VERSION = 1
_REMEDY = "restore the file from Git, or delete it: changes of that domain are then told from its digest alone"


def inventory_name(fingerprint: str) -> str:
    """The file of the inventory of the domain with this `olx1:` fingerprint."""
    return f"d1-{fingerprint.partition(':')[2]}.json"


def missing_inventories(home: Home, fingerprints: Iterable[str]) -> set[str]:
    """Those fingerprints that `home` has no inventory of."""
    names = set(home.names())
    return {fingerprint for fingerprint in fingerprints if inventory_name(fingerprint) not in names}


def put_inventory(home: Home, inventory: Inventory) -> bool:
    """Keep an inventory; False when one of this fingerprint is there already, which stays.

    Raises:
        OlmixctlError: it could not be written.
    """
    return home.create(inventory_name(inventory.fingerprint), dump_inventory(inventory).encode())


def read_inventories(home: Home, fingerprints: Iterable[str]) -> tuple[dict[str, Inventory], dict[str, str]]:
    """Fingerprint → inventory, of those that are there and whole; and fingerprint → what is wrong, of the damaged.

    A damaged inventory is no reason to stop: it is needed to name changes, never to see them.
    """
    names = {inventory_name(fingerprint): fingerprint for fingerprint in fingerprints}
    found: dict[str, Inventory] = {}
    damaged: dict[str, str] = {}
    for name, raw in home.read_many(names).items():
        try:
            found[names[name]] = parse_inventory(raw, names[name], home.place(name))
        except IntegrityError as error:
            damaged[names[name]] = f"{home.place(name)}: {error.message}"
    return found, damaged


def check_inventories(home: Home) -> dict[str, Inventory]:
    """Fingerprint → inventory, of all there are.

    Raises:
        IntegrityError: one is truncated, altered or of another domain.
    """
    names = [name for name in home.names() if name.startswith("d1-") and name.endswith(".json")]
    fingerprints = {name: f"olx1:{name.removeprefix('d1-').removesuffix('.json')}" for name in names}
    contents = home.read_many(names)
    return {fingerprints[n]: parse_inventory(raw, fingerprints[n], home.place(n)) for n, raw in contents.items()}


def dump_inventory(inventory: Inventory) -> str:
    """The text of an inventory file."""
    columns = _columns(inventory)
    body = _facts(inventory) | {
        "columns": {name: _pack(raw) for name, raw in columns.items()},
        "digest": _digest(inventory, columns),
    }
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def parse_inventory(raw: bytes, fingerprint: str, shown: str) -> Inventory:
    """Read and check the content of an inventory file.

    Args:
        raw: the content.
        fingerprint: whose it should be.
        shown: the file, for people.

    Raises:
        IntegrityError: it is not whole, was altered, is of a newer version or of another domain.
    """
    try:
        body = json.loads(raw)
        version = body["inventory_version"]
        inventory = _inventory(body) if version == INVENTORY_VERSION else None
        stated = body["digest"]
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error, binascii.Error) as error:
        raise IntegrityError(
            f"the inventory is truncated or malformed ({type(error).__name__}: {error})",
            place=Place(shown),
            remedy=_REMEDY,
        ) from error
    if inventory is None:
        raise IntegrityError(f"inventory_version {version!r} is not {INVENTORY_VERSION}", place=Place(shown))
    proven = content_digest(inventory.documents, inventory.total, inventory.tokenizer) == inventory.content
    if stated != _digest(inventory, _columns(inventory)) or not proven:
        raise IntegrityError("the inventory was altered after it was written", place=Place(shown), remedy=_REMEDY)
    if inventory.fingerprint != fingerprint:
        raise IntegrityError(
            f"the file is named for another domain: it holds {inventory.fingerprint}",
            place=Place(shown),
            remedy=_REMEDY,
        )
    # Not as `dump_inventory` would write it: how the columns are deflated is left to the library.
    check_text(raw, json.dumps(body, indent=1, sort_keys=True) + "\n", shown, _REMEDY)
    return inventory


def _facts(inventory: Inventory) -> dict[str, Any]:
    return {
        "inventory_version": INVENTORY_VERSION,
        "fingerprint": inventory.fingerprint,
        "content": inventory.content,
        "tokens": inventory.tokens,
        "documents": inventory.documents,
        "sum": f"{inventory.total:064x}",
        "tokenizer": inventory.tokenizer,
        # A string, since JSON readers may take large numbers for floats.
        "sample_below": None if inventory.sample is None else str(inventory.sample.below),
    }


def _columns(inventory: Inventory) -> dict[str, bytes]:
    """Column → its bytes before they are packed."""
    files, sample = inventory.files, inventory.sample
    columns = {
        "paths": "\0".join([f.path for f in files]).encode(errors="surrogateescape"),
        "digests": _bytes([f.digest for f in files]),
        "tokens": _bytes([f.tokens for f in files]),
        "documents": _bytes([f.documents for f in files]),
    }
    if sample is not None:
        columns |= {
            "sample_numbers": _bytes([d.number for d in sample.documents]),
            "sample_tokens": _bytes([d.tokens for d in sample.documents]),
            "sample_files": _bytes([d.file for d in sample.documents]),
        }
    return columns


def _digest(inventory: Inventory, columns: Mapping[str, bytes]) -> str:
    facts = _facts(inventory) | {"columns": {name: sha256_hex(raw) for name, raw in columns.items()}}
    return "sha256:" + sha256_hex(canonical_json(facts))


def _inventory(body: Mapping[str, Any]) -> Inventory:
    columns = {name: _unpack(text) for name, text in body["columns"].items()}
    numbers = {name: _numbers(raw) for name, raw in columns.items() if name != "paths"}
    paths = columns["paths"].decode(errors="surrogateescape").split("\0")
    files = zip(paths, numbers["digests"], numbers["tokens"], numbers["documents"], strict=True)
    below, sample = body["sample_below"], None
    if below is not None:
        rows = zip(numbers["sample_numbers"], numbers["sample_tokens"], numbers["sample_files"], strict=True)
        sample = DocumentSample(tuple(map(SampledDocument._make, rows)), int(below))
    return Inventory(
        fingerprint=str(body["fingerprint"]),
        content=str(body["content"]),
        tokens=int(body["tokens"]),
        documents=int(body["documents"]),
        total=int(body["sum"], 16),
        tokenizer=str(body["tokenizer"]),
        files=tuple(map(InventoryFile._make, files)),
        sample=sample,
    )


def _bytes(values: Sequence[int]) -> bytes:
    column = array("Q", values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _numbers(raw: bytes) -> list[int]:
    column = array("Q")
    column.frombytes(raw)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tolist()


def _pack(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def _unpack(text: str) -> bytes:
    packed = base64.b64decode(text, validate=True)
    if base64.b64encode(packed).decode() != text:
        # The last digit has bits that no byte needs: an edit there would change nothing, and is one all the same.
        raise ValueError("base64 that nobody wrote")
    return zlib.decompress(packed)
