"""For any mix: what is written reads back as the lock's weights, and is the same text every time."""

from __future__ import annotations

import random
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.errors import IntegrityError, UsageError
from olmixctl.export.model import ExportDomain, ExportFile, ExportMix
from olmixctl.export.registry import EXPORTERS, find_exporter
from olmixctl.mixture import GRID, round_to_grid

# Ids that break naive writers: YAML words, numbers, quotes, comments, line breaks, emoji.
_IDS = st.one_of(
    st.sampled_from(["no", "1e-05", "12:30", "#x", 'a"b', "it's", "a: b", "\x85", "\u2028", "\ufeff", "🦉", "web/a,b"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), min_size=1, max_size=12),
)
_STEMS = st.text(string.ascii_letters + string.digits + "._-/é", min_size=1, max_size=10)


@st.composite
def mixes(draw: st.DrawFn) -> ExportMix:
    names = draw(st.lists(_IDS, min_size=1, max_size=6, unique=True))
    amounts = {name: draw(st.integers(0, 10**6)) for name in names}
    amounts[names[0]] += 1
    total = sum(amounts.values())
    weights = round_to_grid({name: amount * GRID / total for name, amount in amounts.items()})
    stems = draw(st.lists(_STEMS, min_size=len(names), max_size=3 * len(names), unique=True))
    domains = []
    for i, name in enumerate(names):
        counts = [(stem, draw(st.integers(1, 10**12))) for stem in stems[i :: len(names)]]
        files = tuple(ExportFile(path=f"data/{stem}.bin", tokens=n) for stem, n in counts)
        tokens = sum(file.tokens for file in files)
        documents = draw(st.integers(1, tokens))
        domains.append(ExportDomain(id=name, weight=weights[name], tokens=tokens, documents=documents, files=files))
    tokens = draw(st.integers(1, 10**13))
    return ExportMix(
        name="m", lock_digest="sha256:0", serial=1, domains=tuple(domains), target_tokens=tokens, max_repetition=1e14
    )


@pytest.mark.parametrize("name", EXPORTERS)
@given(mix=mixes(), seed=st.integers(0, 10**6))
def test_what_is_written_reads_back_as_the_lock(name: str, mix: ExportMix, seed: int):
    exporter = EXPORTERS[name]
    text = exporter.render(mix)
    exporter.check(text, mix)
    shuffled = list(mix.domains)
    random.Random(seed).shuffle(shuffled)
    assert exporter.render(replace(mix, domains=tuple(shuffled))) == text
    assert text.endswith("\n")


@pytest.mark.parametrize("name", EXPORTERS)
def test_a_weight_moved_by_one_millionth_is_found(name: str, mix: ExportMix):
    first, *rest, last = mix.domains
    moved = (replace(first, weight=first.weight - 1), *rest, replace(last, weight=last.weight + 1))
    other = EXPORTERS[name].render(replace(mix, domains=moved))
    with pytest.raises(IntegrityError, match="'code'"):
        EXPORTERS[name].check(other, mix)


@pytest.mark.parametrize("name", EXPORTERS)
def test_a_missing_domain_is_found(name: str, mix: ExportMix):
    code, no, web = mix.domains
    alone = (replace(code, weight=0), no, replace(web, weight=GRID))
    with pytest.raises(IntegrityError, match="code"):
        EXPORTERS[name].check(EXPORTERS[name].render(replace(mix, domains=alone)), mix)


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("text", ["", "not: [a, mix", "0.5 a 0.5", '{"weights": {}}', "sources:\n- x\n"])
def test_text_of_another_kind_is_refused_without_a_traceback(name: str, text: str, mix: ExportMix):
    with pytest.raises(IntegrityError, match=name):
        EXPORTERS[name].check(text, mix)


def test_a_domain_at_zero_is_named_and_not_written(mix: ExportMix):
    for name, exporter in EXPORTERS.items():
        text = exporter.render(mix)
        assert "corpora/no" not in text, name
        assert any('"no"' in line for line in [*text.splitlines(), *exporter.remarks(mix)]), name


def test_every_format_says_which_lock_and_which_command(mix: ExportMix):
    for name, exporter in EXPORTERS.items():
        whole = exporter.render(mix) + "\n".join(exporter.remarks(mix))
        assert "sha256:0d8c" in whole
        assert "42" in whole
        assert f"olmixctl export base --format {name}" in whole


@pytest.mark.parametrize("name", EXPORTERS)
def test_more_tokens_than_the_mix_may_repeat_name_the_domains_and_the_most_that_fit(name: str, mix: ExportMix):
    with pytest.raises(UsageError, match=r"(?s)300,000,000 times over domain 'code', .*'web/.*at most 13333 tokens"):
        EXPORTERS[name].render(replace(mix, target_tokens=10**12))
    with pytest.raises(UsageError, match=r"pass 4\.2 times over domain 'code'; the mix allows 4"):
        EXPORTERS[name].render(replace(mix, target_tokens=14_000))
    assert EXPORTERS[name].render(replace(mix, target_tokens=13_333))


@pytest.mark.parametrize("name", EXPORTERS)
def test_a_weight_rounded_up_against_its_cap_still_exports(name: str):
    # 333 334 millionths of 3 000 000 tokens are 2 more than the domain's million.
    a = ExportDomain(id="a", weight=333_334, tokens=10**6, documents=9, files=(ExportFile(path="a.bin", tokens=10**6),))
    b = ExportDomain(id="b", weight=666_666, tokens=10**7, documents=9, files=(ExportFile(path="b.bin", tokens=10**7),))
    mix = ExportMix(name="m", lock_digest="x", serial=1, domains=(a, b), target_tokens=3 * 10**6, max_repetition=1.0)
    EXPORTERS[name].check(EXPORTERS[name].render(mix), mix)


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"(?s)no export format 'dolma'.*csv, hf, json, megatron, olmo-core"):
        find_exporter("dolma")


def test_a_mix_that_does_not_sum_to_one_cannot_be_made(mix: ExportMix):
    with pytest.raises(ValueError, match="sum to"):
        replace(mix, domains=mix.domains[:1])


def test_a_domain_cannot_stand_twice(mix: ExportMix):
    with pytest.raises(ValueError, match="twice"):
        replace(mix, domains=(*mix.domains, mix.domains[1]))
