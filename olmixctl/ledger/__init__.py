"""What was measured: one committed file a proxy run."""

from __future__ import annotations

from olmixctl.ledger.home import Home, LocalHome
from olmixctl.ledger.model import MixturePart, RunInputs, RunRecord, parts_of
from olmixctl.ledger.store import Ledger, evidence_root

__all__ = ["Home", "Ledger", "LocalHome", "MixturePart", "RunInputs", "RunRecord", "evidence_root", "parts_of"]
