from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.errors import CorpusError, IntegrityError
from olmixctl.export import olmo_core
from olmixctl.export.model import ExportDomain, ExportFile, ExportMix

GOLDEN = """\
# Mix "base", lock sha256:0d8c, serial 42.
# Made by: olmixctl export base --format olmo-core --tokens 4000
# Left out, at weight zero: "no"
# For SourceMixtureDatasetConfig(requested_tokens=4000, …).
# OLMo-core reads token files: each text file stands under the .npy name its tokens should have.
sources:
  - source_name: "code"
    target_ratio: 0.300000
    paths:
      - "corpora/code.bin"
    max_repetition_ratio: 1.212000
    max_source_fraction: 1.0
  - source_name: "web/science"
    target_ratio: 0.700000
    paths:
      - "corpora/web/a.npy"
      - "corpora/web/b.npy"
    max_repetition_ratio: 1.000000
    max_source_fraction: 1.0
"""


def single(*, tokens: int, target: int, limit: float = 1e15, path: str = "d/*.npy") -> ExportMix:
    domain = ExportDomain(id="no", weight=10**6, tokens=tokens, files=(ExportFile(path=path, tokens=tokens),))
    return ExportMix(name="m", lock_digest="x", serial=1, domains=(domain,), target_tokens=target, max_repetition=limit)


def test_golden(mix: ExportMix):
    assert olmo_core.render(mix) == GOLDEN


@given(tokens=st.integers(1, 10**15), target=st.integers(1, 10**15))
def test_every_source_passes_the_capacity_check_of_the_trainer(tokens: int, target: int):
    source = yaml.safe_load(olmo_core.render(single(tokens=tokens, target=target)))["sources"][0]
    repetition, ratio = float(source["max_repetition_ratio"]), float(source["target_ratio"])
    assert repetition >= 1
    assert int((tokens * 1.0) * repetition) >= int(target * ratio)
    assert int(tokens * 1.0) * repetition >= int(target * ratio)


def test_names_stay_strings_and_globs_stay_globs():
    source = yaml.safe_load(olmo_core.render(single(tokens=10, target=10)))["sources"][0]
    assert source["source_name"] == "no"
    assert source["paths"] == ["d/*.npy"]


def test_a_domain_without_files_is_refused(mix: ExportMix):
    code, *others = mix.domains
    with pytest.raises(CorpusError, match=r"(?s)'code' has no files"):
        olmo_core.render(replace(mix, domains=(replace(code, files=()), *others)))


def test_a_domain_without_tokens_is_refused():
    with pytest.raises(CorpusError, match="no tokens"):
        olmo_core.render(single(tokens=0, target=1))


def test_every_text_file_stands_under_the_name_of_its_tokens():
    names = {"a/x.py": "text", "a/x.h": "text.gz", "a/y.txt.gz": "text.gz", "a/z.npy": "npy", "a/w.bin": "bin:uint16"}
    files = tuple(ExportFile(path=path, tokens=9, kind=kind) for path, kind in names.items())
    mix = single(tokens=45, target=45)
    mix = replace(mix, domains=(replace(mix.domains[0], files=files),))
    paths = yaml.safe_load(olmo_core.render(mix))["sources"][0]["paths"]
    assert paths == ["a/w.bin", "a/x.h.npy", "a/x.py.npy", "a/y.npy", "a/z.npy"]


def test_two_texts_with_one_token_file_are_refused(mix: ExportMix):
    code, *others = mix.domains
    files = (ExportFile(path="a.txt", tokens=1), ExportFile(path="a.jsonl", tokens=999))
    with pytest.raises(CorpusError, match="same token file"):
        olmo_core.render(replace(mix, domains=(replace(code, files=files), *others)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("target_ratio: 0.300000", "target_ratio: 0.200000", "sum to 1.0"),
        ("target_ratio: 0.300000", "target_ratio: 0.300001", "'code'"),
        ("max_repetition_ratio: 1.212000", "max_repetition_ratio: 1.100000", "insufficient tokens"),
        ("max_repetition_ratio: 1.000000", "max_repetition_ratio: 0.990000", ">= 1"),
        ("max_source_fraction: 1.0", "max_source_fraction: 0", r"\(0, 1\]"),
        ('source_name: "code"', "source_name: no", "strings"),
        ('source_name: "code"', 'source_name: "web/science"', "twice"),
        ("max_source_fraction", "max_source_fractions", "unknown fields"),
        ('    paths:\n      - "corpora/code.bin"\n', "    paths: []\n", "must not be empty"),
    ],
)
def test_a_file_that_the_trainer_would_refuse_is_refused(old: str, new: str, message: str, mix: ExportMix):
    with pytest.raises(IntegrityError, match=message):
        olmo_core.check(GOLDEN.replace(old, new), mix)
