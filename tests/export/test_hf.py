from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from olmixctl.errors import CorpusError, IntegrityError
from olmixctl.export import hf
from olmixctl.export.model import ExportDomain, ExportMix


def loaded(text: str) -> dict[str, list[float]]:
    names: dict[str, list[float]] = {}
    exec(compile(text, "mix.py", "exec"), names)
    return names


def test_golden_lists(mix: ExportMix):
    module = loaded(hf.render(mix))
    assert module["DOMAINS"] == ["code", "web/science"]
    assert module["PROBABILITIES_TOKENS"] == [0.3, 0.7]
    # code has 10 tokens a document, web/science 100: 0.3/10 and 0.7/100, normalised, are 30/37 and 7/37.
    assert module["PROBABILITIES_EXAMPLES"] == pytest.approx([30 / 37, 7 / 37], abs=1e-12)


def test_golden_head(mix: ExportMix):
    assert hf.render(mix).splitlines()[:3] == [
        '# Mix "base", lock sha256:0d8c, serial 42.',
        "# Made by: olmixctl export base --format hf",
        '# Left out, at weight zero: "no"',
    ]


def test_drawing_documents_with_them_gives_the_token_weights(mix: ExportMix):
    module = loaded(hf.render(mix))
    drawn = np.random.default_rng(0).choice(2, size=200_000, p=module["PROBABILITIES_EXAMPLES"])
    tokens = np.array([10, 100])[drawn]
    shares = [tokens[drawn == i].sum() / tokens.sum() for i in range(2)]
    assert shares == pytest.approx([0.3, 0.7], abs=0.005)


def test_the_sum_is_one_for_numpy_with_many_uneven_domains():
    weights = [10**6 - 999, *([1] * 999)]
    domains = tuple(
        ExportDomain(id=f"d{i}", weight=weight, tokens=10**6 + 37 * i, documents=3 + i)
        for i, weight in enumerate(weights)
    )
    mix = ExportMix(name="m", lock_digest="x", serial=1, domains=domains, target_tokens=1, max_repetition=1.0)
    text = hf.render(mix)
    hf.check(text, mix)
    np.random.default_rng(0).choice(1000, p=loaded(text)["PROBABILITIES_EXAMPLES"])


@pytest.mark.parametrize("documents", [None, 0])
def test_without_document_counts_there_is_no_conversion(documents: int | None, mix: ExportMix):
    code, *others = mix.domains
    with pytest.raises(CorpusError, match=r"(?s)no document count for domain 'code'.*declare `documents`"):
        hf.render(replace(mix, domains=(replace(code, documents=documents), *others)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.300000", "0.200000", "sum to 1"),
        ("0.300000", "1", "above zero"),
        ("0.810810810811", "0.810810800000", "'code'|sum to 1"),
        ("'code',", "'web/science',", "twice"),
        ("'code',\n", "", "differ in length"),
        ("DOMAINS = ", "DOMAIN = ", "no DOMAINS"),
        ("DOMAINS = [", "DOMAINS = [f(),", "hf would not read"),
        ("DOMAINS = [", "DOMAINS = (", "hf would not read"),
    ],
)
def test_a_module_that_was_changed_is_refused(old: str, new: str, message: str, mix: ExportMix):
    text = hf.render(mix)
    assert old in text
    with pytest.raises(IntegrityError, match=message):
        hf.check(text.replace(old, new), mix)
