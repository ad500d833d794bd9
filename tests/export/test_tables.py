"""JSON and CSV: golden texts."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from olmixctl.errors import IntegrityError
from olmixctl.export import as_csv, as_json
from olmixctl.export.model import ExportMix

CSV = """\
# Mix "base", lock sha256:0d8c, serial 42.
# Made by: olmixctl export base --format csv --tokens 4000
# Left out, at weight zero: "no"
domain,weight,tokens,documents,requested_tokens,repetition
"code",0.300000,1000,100,1200,1.200000
"web/science",0.700000,3000,30,2800,0.933333
"""


def test_csv(mix: ExportMix):
    assert as_csv.render(mix) == CSV


def test_csv_without_document_counts_leaves_the_field_empty(mix: ExportMix):
    domains = tuple(replace(domain, documents=None) for domain in mix.domains)
    assert '"code",0.300000,1000,,1200' in as_csv.render(replace(mix, domains=domains))


def test_csv_with_a_domain_in_two_rows_is_refused(mix: ExportMix):
    with pytest.raises(IntegrityError, match="two rows"):
        as_csv.check(CSV + '"code",0.300000,1000,100,1200,1.2\n', mix)


def test_json(mix: ExportMix):
    text = as_json.render(mix)
    value = json.loads(text, parse_float=Decimal)
    assert value["lock"] == "sha256:0d8c"
    assert value["serial"] == 42
    assert value["left_out"] == ["no"]
    assert value["command"] == "olmixctl export base --format json --tokens 4000"
    assert value["weights"] == {"code": Decimal("0.300000"), "web/science": Decimal("0.700000")}
    assert sum(value["weights"].values()) == 1
    assert '    "code": 0.300000,\n' in text


def test_json_whose_two_tables_disagree_is_refused(mix: ExportMix):
    text = as_json.render(mix).replace('"id": "code", "weight": 0.300000', '"id": "code", "weight": 0.300001')
    with pytest.raises(IntegrityError, match="code"):
        as_json.check(text, mix)


def test_a_domain_of_unknown_size_has_no_repetition(mix: ExportMix):
    code, *others = mix.domains
    unknown = replace(mix, domains=(replace(code, tokens=0, files=()), *others))
    assert '"repetition": null' in as_json.render(unknown)
    assert '"code",0.300000,0,100,1200,\n' in as_csv.render(unknown)
