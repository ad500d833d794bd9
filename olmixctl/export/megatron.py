"""Megatron-LM (and NeMo, Bridge, lm-engine, which take the same list): `--data-args-path blend.txt`.

The file is read with `read().split()` into weight, prefix, weight, prefix …; it has no room for comments, so where it
comes from is a remark of the command. A prefix is a path without `.bin` or `.idx`. Of text files the prefix is the one
that Megatron's `preprocess_data.py --output-prefix FILE` writes, without `.txt`, `.jsonl` and the like. Weights count
fixed-length samples, which is tokens.

Source: Megatron-LM `megatron/core/datasets/utils.py: get_blend_from_list`, `blended_dataset.py`.
"""

from __future__ import annotations

import math
from fractions import Fraction

from olmixctl.errors import CorpusError, Place
from olmixctl.export.model import ExportFile, ExportMix
from olmixctl.export.repetition import check_repetition
from olmixctl.export.text import compare, files_of, fixed, has_text, notes, split_weight, text_stem, unreadable
from olmixctl.mixture import SHARE_UNITS

__all__ = ["check", "remarks", "render"]

_NAME = "megatron"
_MOST_DATASETS = 32766  # BlendedDataset numbers its datasets in int16
_BINARY = (".bin", ".idx")


def render(mix: ExportMix) -> str:
    """One `weight prefix` line a file, domains in id order, files in path order."""
    check_repetition(mix)
    entries = _entries(mix)
    if len(entries) > _MOST_DATASETS:
        raise CorpusError(
            f"{len(entries)} files, and Megatron blends at most {_MOST_DATASETS} datasets",
            remedy="merge small files (one .bin/.idx pair a domain is enough)",
        )
    return "".join(f"{fixed(units, units=SHARE_UNITS)} {prefix}\n" for _, prefix, units in entries)


def check(text: str, mix: ExportMix) -> None:
    """Read as Megatron reads it, the weights of each domain's prefixes add up to the lock's.

    Raises:
        IntegrityError: the text does not read as weights and prefixes, or as other ones.
    """
    blend = _parse(text, mix)
    domains = {prefix: name for name, prefix, _ in _entries(mix)}
    found: dict[str, Fraction] = {}
    for prefix, weight in blend.items():
        if prefix not in domains:
            raise unreadable(mix, _NAME, f"prefix {prefix!r} belongs to no domain of the lock")
        found[domains[prefix]] = found.get(domains[prefix], Fraction(0)) + weight
    compare(found, mix, trainer=_NAME)


def remarks(mix: ExportMix) -> tuple[str, ...]:
    """Where the file comes from, and what its prefixes stand for."""
    lines = notes(mix, _NAME)
    if has_text(mix):
        lines += ("Text files stand as the prefixes that preprocess_data.py makes of them: FILE_text_document.",)
    return lines


def _entries(mix: ExportMix) -> list[tuple[str, str, int]]:
    """(domain, prefix, weight in 1/`SHARE_UNITS`) in the order written."""
    entries = []
    owner: dict[str, str] = {}
    for domain in mix.used:
        files_of(domain, _NAME)
        for file, units in split_weight(domain):
            prefix = _prefix(file)
            if prefix in owner:
                raise CorpusError(f"{owner[prefix]} and {file.path} are the same Megatron prefix", remedy="rename one")
            owner[prefix] = file.path
            entries.append((domain.id, prefix, units))
    return entries


def _prefix(file: ExportFile) -> str:
    """The prefix under which Megatron finds a file; raises CorpusError when it could not."""
    path = file.path
    if any(char.isspace() for char in path):
        raise CorpusError(
            "Megatron splits its data file at white space, and this path has some",
            place=Place(path),
            remedy="rename the file or its folder",
        )
    if "*" in path:
        raise CorpusError("Megatron takes no patterns, only prefixes", place=Place(path), remedy="list the files")
    prefix = _without_suffix(file)
    # A relative prefix that reads as a number (2023, 1e5, nan) could be taken for a weight.
    return f"./{prefix}" if _is_number(prefix) else prefix


def _without_suffix(file: ExportFile) -> str:
    path = file.path
    for suffix in _BINARY:
        if path.endswith(suffix):
            return path.removesuffix(suffix)
    stem = text_stem(file)
    if stem is not None:
        return f"{stem}_text_document"
    raise CorpusError(
        "Megatron reads .bin/.idx pairs", place=Place(path), remedy="convert it with Megatron's preprocess_data.py"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse(text: str, mix: ExportMix) -> dict[str, Fraction]:
    """Prefix → weight, under the rules of `get_blend_from_list` and `BlendedDataset`."""
    words = text.split()
    if len(words) % 2:
        raise unreadable(mix, _NAME, "an odd count of words means: no weights")
    blend: dict[str, Fraction] = {}
    for weight, prefix in zip(words[::2], words[1::2], strict=True):
        if not _is_number(weight):
            raise unreadable(mix, _NAME, f"{weight!r} stands where a weight should")
        if not 0 < float(weight) < math.inf:
            raise unreadable(mix, _NAME, f"weight {weight} of {prefix} is not above zero and finite")
        if prefix in blend:
            raise unreadable(mix, _NAME, f"prefix {prefix} stands twice")
        blend[prefix] = Fraction(weight)
    if not 0 < len(blend) <= _MOST_DATASETS:
        raise unreadable(mix, _NAME, f"{len(blend)} datasets")
    return blend
