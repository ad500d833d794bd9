"""A small valid mix to bend, and the whole example of the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from olmixctl.errors import OlmixctlError
from olmixctl.spec.load import parse_mix

SMALL = """\
version: 1
name: small
target: {tokens: 1M}
domains:
  a: {paths: [a.txt]}
  b: {paths: [b.txt]}
evals:
  - {name: h, heldout: a, fraction: 0.1}
proxy: {model: 250k, tokens: 400K, sequence_length: 128, batch_size: 16}
"""

FULL = """\
# yaml-language-server: $schema=../schemas/mix.schema.json
version: 1
name: base
description: free text                 # metadata: never causes a run
owner: data team
target: {tokens: 1T, max_repetition: 3.5}
tokenizer: tokenizers/base.json
domains:                               # nested to any depth
  web:
    max: 0.8
    tags: [crawl]
    protected: true
    owner: web team
    domains:
      science: {paths: ["s3://bucket/science/*.jsonl.zst"]}
      health:
        paths: ["s3://bucket/health/*.jsonl.zst", more/*.txt]
        max: 0.2
        tags: [sensitive]
        protected: false
  code:
    paths: [corpora/code/**/*.txt]
    tags: [code]
    min: 0.05
    protected: true                    # removing it needs an explicit --allow-remove code
    description: all of it
  pdfs:
    domains:
      a:
        paths: ["s3://bucket/pdfs/*.npy"]
        declared: {tokens: 243B, documents: 31M, revision: "2026-02-11"}
      b:
        paths: ["s3://bucket/raw/*.bin"]
        dtype: uint16
changes:
  - move: {from: web/medicine, to: web/health}
  - partition: {from: pdfs, into: ["pdfs/*"]}
  - merge: {from: [code/rust, code/python], into: code}
evals:
  - {name: python, paths: [evals/python.jsonl], family: code, weight: 2.5, max_tokens: 10K, description: tasks}
  - {name: web-heldout, heldout: web, fraction: 0.01}
objective:
  kl: 0.1
  reference: {web/science: 0.4, web/health: 0.1, code: 0.3, pdfs/a: 0.1, pdfs/b: 0.1}
  guardrails: [{metric: python, max_regression: 0.01}]
constraints:
  - {name: code-share, domains: [code, "pdfs/*"], min: 0.05, max: 0.6}
  - {name: crawled, domains: ["tag:crawl"], max: 0.7}
proxy: {model: 15m, tokens: 5x, sequence_length: 512, batch_size: 32, seed: 7, repeats: 2}
swarm: {runs_per_coordinate: 2.1, seed: 3, design: informative, rounds: 4, stop: {regret: 0.002, confidence: 0.8}}
surrogate: log_linear
method: olmix
reuse: partial
recompute: [web/science]
executor: {kind: fake, device: cpu, precision: bf16, parallelism: 2, threads: 1}
budget: {max_runs: 200, max_gpu_hours: 50, gpu_hour_price: 2.5, currency: EUR}
ledger: s3://bucket/ledger
"""


@pytest.fixture
def small():
    """The text of a small valid mix."""
    return SMALL


@pytest.fixture
def full():
    """The text of a mix that says everything there is to say."""
    return FULL


@pytest.fixture
def load():
    """Text → LoadedMix, as if it stood in mixes/m.yaml."""
    return lambda text: parse_mix(text, Path("mixes/m.yaml"))


@pytest.fixture
def refuse(load):
    """Text → the error that loading it raises."""

    def refused(text):
        with pytest.raises(OlmixctlError) as caught:
            load(text)
        return caught.value

    return refused
