from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from olmixctl.errors import CorpusError, IntegrityError
from olmixctl.export import megatron
from olmixctl.export.model import ExportDomain, ExportFile, ExportMix

BLEND = """\
0.300000000000 corpora/code
0.233333333333 corpora/web/a_text_document
0.466666666667 corpora/web/b_text_document
"""


def one(*files: ExportFile) -> ExportMix:
    domain = ExportDomain(id="d", weight=10**6, tokens=sum(f.tokens for f in files), files=files)
    return ExportMix(name="m", lock_digest="x", serial=1, domains=(domain,), target_tokens=1, max_repetition=1.0)


def paths(*names: str) -> ExportMix:
    return one(*(ExportFile(path=name, tokens=10) for name in names))


def test_golden(mix: ExportMix):
    assert megatron.render(mix) == BLEND


def test_the_files_of_a_domain_add_up_to_its_weight_exactly():
    files = [ExportFile(path=f"f{i}.bin", tokens=7 + i) for i in range(3)]
    weights = [Fraction(line.split()[0]) for line in megatron.render(one(*files)).splitlines()]
    assert sum(weights) == 1


def test_an_empty_file_gets_no_entry_and_a_tiny_one_gets_more_than_zero():
    text = megatron.render(
        one(
            ExportFile(path="big.bin", tokens=10**15),
            ExportFile(path="empty.bin", tokens=0),
            ExportFile(path="tiny.bin", tokens=1),
        )
    )
    assert text == "0.999999999999 big\n0.000000000001 tiny\n"


def test_a_prefix_that_reads_as_a_number_is_written_as_a_path():
    assert megatron.render(paths("2023.bin", "nan.idx")) == "0.500000000000 ./2023\n0.500000000000 ./nan\n"


def test_shards_of_text_stand_under_the_names_that_preprocessing_gives():
    text = megatron.render(paths("s3://b/x.jsonl.zst", "y.txt"))
    assert [line.split()[1] for line in text.splitlines()] == ["s3://b/x_text_document", "y_text_document"]
    assert "preprocess_data.py" in megatron.remarks(paths("y.txt"))[-1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["my data/a.bin"], "white space"),
        (["a\u00a0b.bin"], "white space"),
        (["data/*.bin"], "patterns"),
        (["a.npy"], ".bin/.idx"),
        (["a.bin", "a.idx"], "same Megatron prefix"),
    ],
)
def test_paths_that_megatron_cannot_take(names: list[str], message: str):
    with pytest.raises(CorpusError, match=message):
        megatron.render(paths(*names))


def test_a_domain_without_files_is_refused_with_a_way_out():
    with pytest.raises(CorpusError, match=r"(?s)no files.*--format json"):
        megatron.render(one())


def test_a_domain_whose_files_hold_nothing_is_refused():
    with pytest.raises(CorpusError, match="no file with tokens"):
        megatron.render(one(ExportFile(path="a.bin", tokens=0)))


def test_more_datasets_than_megatron_numbers_are_refused():
    with pytest.raises(CorpusError, match="32767 files"):
        megatron.render(one(*(ExportFile(path=f"{i}x.bin", tokens=1) for i in range(32767))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.3 corpora/code 0.7 my path", "odd count|stands where a weight"),
        ("0.3 corpora/code 0.7", "odd count"),
        ("a corpora/code", "stands where a weight should"),
        ("0 corpora/code", "not above zero"),
        ("nan corpora/code", "not above zero"),
        ("0.3 corpora/code 0.3 corpora/code", "twice"),
        ("1 corpora/other", "no domain"),
        ("1e400 corpora/code", "finite"),
    ],
)
def test_a_blend_that_megatron_would_read_as_something_else(text: str, message: str, mix: ExportMix):
    with pytest.raises(IntegrityError, match=message):
        megatron.check(text, mix)


def test_a_domain_in_declared_counts_only_can_be_left_out_at_zero(mix: ExportMix):
    code, no, web = mix.domains
    assert megatron.render(replace(mix, domains=(code, replace(no, files=()), web))) == BLEND


def test_source_code_stands_under_the_prefix_of_its_tokens(mix: ExportMix):
    code, *others = mix.domains
    files = (ExportFile(path="src/x.py", tokens=1, kind="text"), ExportFile(path="src/x.h", tokens=999, kind="text"))
    text = megatron.render(replace(mix, domains=(replace(code, files=files), *others)))
    assert "src/x.py_text_document" in text
    assert "src/x.h_text_document" in text
