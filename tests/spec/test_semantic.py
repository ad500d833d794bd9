"""What causes runs is in the semantic digest; what describes is not; order is in neither."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olmixctl.fingerprint import canonical_json
from olmixctl.spec.load import parse_mix
from olmixctl.spec.model import MixSpec
from olmixctl.spec.semantic import full_digest, metadata_inputs, semantic_digest, semantic_inputs

FIXTURES_PER_EXAMPLE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)


def spec_of(text):
    return parse_mix(text, Path("m.yaml")).spec


def shuffled(value, random):
    """The same mix with every mapping, and every list whose order means nothing, in another order."""
    if isinstance(value, dict):
        items = [(k, shuffled(v, random)) for k, v in value.items()]
        random.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        items = [shuffled(v, random) for v in value]
        random.shuffle(items)
        return items
    return value


@FIXTURES_PER_EXAMPLE
@given(st.randoms(use_true_random=False))
def test_order_in_the_file_changes_no_digest(full, random):
    data = yaml.safe_load(full)
    changes = data["changes"]  # a sequence of steps: their order is theirs
    data = shuffled(data, random) | {"changes": changes}
    text = json.dumps(data)
    assert semantic_digest(spec_of(text)) == semantic_digest(spec_of(full))
    assert full_digest(spec_of(text)) == full_digest(spec_of(full))


METADATA = {
    "comment": ("# yaml", "# other"),
    "description": ("free text", "other text"),
    "owner": ("data team", "others"),
    "name": ("name: base", "name: other"),
    "domain's description": ("all of it", "some of it"),
    "domain's owner": ("web team", "others"),
    "eval's description": ("tasks", "work"),
    "executor": ("kind: fake, device: cpu", "kind: local, device: cuda"),
    "parallelism": ("parallelism: 2", "parallelism: 4"),
    "budget": ("max_runs: 200", "max_runs: 3"),
    "currency": ("EUR", "USD"),
    "ledger": ("s3://bucket/ledger", "runs"),
    "protected": ("protected: false", "protected: true"),
    "tag that selects nothing": ("[sensitive]", "[delicate]"),
    "paths": ("more/*.txt", "less/*.txt"),
    "tokenizer's path": ("tokenizers/base.json", "elsewhere/base.json"),
    "eval's paths": ("evals/python.jsonl", "evals/py.jsonl"),
    "changes": ("web/medicine", "web/doctors"),
    "reuse": ("reuse: partial", "reuse: full"),
    "recompute": ("recompute: [web/science]", "recompute: [code]"),
}


@pytest.mark.parametrize(("old", "new"), METADATA.values(), ids=METADATA)
def test_metadata_is_in_the_full_digest_alone(full, old, new):
    assert old in full
    before, after = spec_of(full), spec_of(full.replace(old, new, 1))
    assert semantic_digest(before) == semantic_digest(after)
    assert (full_digest(before) == full_digest(after)) == (old == "# yaml")


MEANING = {
    "target": ("1T", "2T"),
    "repetition": ("max_repetition: 3.5", "max_repetition: 4"),
    "tokenizer": ("tokenizers/base.json", "bytes"),
    "domain's id": ("health:", "medicine:"),
    "domain's bound": ("max: 0.2", "max: 0.3"),
    "group's bound": ("max: 0.8", "max: 0.7"),
    "declared tokens": ("243B", "244B"),
    "declared documents": ("31M", "32M"),
    "declared revision": ("2026-02-11", "2026-02-12"),
    "dtype": ("uint16", "uint32"),
    "eval's weight": ("weight: 2.5", "weight: 2"),
    "eval's family": ("family: code", "family: math"),
    "eval's name": ("name: web-heldout", "name: web-kept"),
    "eval's tokens": ("10K", "20K"),
    "held out": ("heldout: web", "heldout: web/science"),
    "fraction": ("fraction: 0.01", "fraction: 0.02"),
    "kl": ("kl: 0.1", "kl: 0.2"),
    "reference": ("web/science: 0.4, web/health: 0.1", "web/science: 0.3, web/health: 0.2"),
    "guardrail": ("max_regression: 0.01", "max_regression: 0.02"),
    "constraint's bound": ("max: 0.6", "max: 0.5"),
    "constraint's domains": ('[code, "pdfs/*"]', "[code, pdfs/a]"),
    "tag that selects": ("tags: [crawl]", "tags: [other]"),
    "proxy": ("15m", "30m"),
    "proxy tokens": ("5x", "6x"),
    "sequence length": ("sequence_length: 512", "sequence_length: 256"),
    "batch": ("batch_size: 32", "batch_size: 64"),
    "proxy seed": ("seed: 7", "seed: 8"),
    "repeats": ("repeats: 2", "repeats: 3"),
    "runs": ("2.1", "2.2"),
    "swarm's seed": ("seed: 3", "seed: 4"),
    "design": ("design: informative", "design: dirichlet"),
    "rounds": ("rounds: 4", "rounds: 5"),
    "stop": (", stop: {regret: 0.002, confidence: 0.8}", ""),
    "regret": ("regret: 0.002", "regret: 0.003"),
    "confidence": ("confidence: 0.8", "confidence: 0.9"),
    "surrogate": ("surrogate: log_linear", "surrogate: auto"),
}


@pytest.mark.parametrize(("old", "new"), MEANING.values(), ids=MEANING)
def test_meaning_is_in_both_digests(full, old, new):
    assert old in full
    text = full.replace(old, new, 1).replace(
        "web/health: 0.1", "web/medicine: 0.1" if "medicine:" in new else "web/health: 0.1"
    )
    if "medicine:" in new:
        text = text.replace("{from: web/medicine, to: web/health}", "{from: web/health, to: web/medicine}")
    if new == "tags: [other]":
        text = text.replace('["tag:crawl"]', "[web/science]")
    before, after = spec_of(full), spec_of(text)
    assert semantic_digest(before) != semantic_digest(after)
    assert full_digest(before) != full_digest(after)


def test_the_way_a_number_is_written_means_nothing(full):
    same = full.replace("1T", "1000000000000").replace("max: 0.2", "max: 0.20").replace("weight: 2.5", "weight: 2.50")
    assert semantic_digest(spec_of(full)) == semantic_digest(spec_of(same))


def test_a_default_written_out_means_nothing(small):
    said = small + "objective: {kl: 0.05, reference: natural}\n"
    said += "swarm: {runs_per_coordinate: 3, seed: 0, design: dirichlet, rounds: 1}\nreuse: auto\n"
    assert full_digest(spec_of(small)) == full_digest(spec_of(said))
    # The confidence that is not said is 0.9.
    plain, certain = (small + f"swarm: {{stop: {{regret: 0.01{more}}}}}\n" for more in ("", ", confidence: 0.9"))
    assert full_digest(spec_of(plain)) == full_digest(spec_of(certain))


def test_inputs_are_json_and_digests_are_stable(full, small):
    for text in (full, small):
        inputs = semantic_inputs(spec_of(text))
        assert json.loads(canonical_json(inputs)) == json.loads(json.dumps(inputs))
    assert (
        semantic_digest(spec_of(small)) == "sha256:56ab78185e474931f53bb8b29a6ad00f333cb3a5416c3a6146e39dbabecb138b"
    ), "a change here makes every lock stale: give it a reason in the changelog"


def test_every_field_of_a_mix_is_in_one_of_the_two(full):
    spec = spec_of(full)
    # Ratios stand among the constraints, as they do in the file.
    fields = {f.name for f in dataclasses.fields(MixSpec)} - {"ratios"}
    assert fields == set(semantic_inputs(spec)) | set(metadata_inputs(spec))
