from __future__ import annotations

import pytest

from olmixctl.export.model import ExportDomain, ExportFile, ExportMix


@pytest.fixture
def mix() -> ExportMix:
    """Three domains, one of them in two files and one at weight zero."""
    return ExportMix(
        name="base",
        lock_digest="sha256:0d8c",
        serial=42,
        domains=(
            ExportDomain(
                id="web/science",
                weight=700_000,
                tokens=3_000,
                documents=30,
                files=(
                    ExportFile(path="corpora/web/b.jsonl", tokens=2_000, documents=10),
                    ExportFile(path="corpora/web/a.jsonl", tokens=1_000, documents=20),
                ),
            ),
            ExportDomain(
                id="code",
                weight=300_000,
                tokens=1_000,
                documents=100,
                files=(ExportFile(path="corpora/code.bin", tokens=1_000, documents=100),),
            ),
            ExportDomain(
                id="no",
                weight=0,
                tokens=500,
                documents=5,
                files=(ExportFile(path="corpora/no.bin", tokens=500, documents=5),),
            ),
        ),
        target_tokens=4_000,
        max_repetition=4.0,
    )
