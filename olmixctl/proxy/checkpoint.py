"""The state of an interrupted run, written whole or not at all.

What a resumed run needs to go on bit for bit: the step, the parameters, the optimiser's state and the losses so far.
Batches are a function of the step and need nothing.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from olmixctl.errors import OlmixctlError
from olmixctl.proxy.model import ProxyModel
from olmixctl.proxy.optim import MuonAdam

__all__ = ["Checkpoint"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One run's checkpoint file.

    Attributes:
        folder: where it lies.
        identity: digest of the run and its shards; a file of another run is never read.
    """

    folder: Path
    identity: str

    @property
    def path(self) -> Path:
        """`<digest>.pt` in the folder."""
        return self.folder / f"{self.identity.split(':')[-1][:32]}.pt"

    def save(self, model: ProxyModel, optimiser: MuonAdam, progress: dict[str, Any]) -> None:
        """Writes the state beside its place, then moves it there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "identity": self.identity,
            "model": model.state_dict(),
            "optimiser": optimiser.state(),
            "progress": progress,
        }
        unfinished = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with unfinished.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)

    def load(self, model: ProxyModel, optimiser: MuonAdam) -> dict[str, Any] | None:
        """Restores model and optimiser; the saved progress, or None where there is no checkpoint.

        Raises:
            OlmixctlError: the file is damaged or of another run.
        """
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            known = state["identity"] == self.identity
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise OlmixctlError(
                f"the checkpoint {self.path} cannot be read: {error}", remedy="delete it; the run starts over"
            ) from error
        if not known:
            raise OlmixctlError(
                f"the checkpoint {self.path} belongs to another run", remedy="delete it; the run starts over"
            )
        model.load_state_dict(state["model"])
        optimiser.load(state["optimiser"])
        progress: dict[str, Any] = state["progress"]
        return progress

    def discard(self) -> None:
        """Removes the file of a run that ended."""
        self.path.unlink(missing_ok=True)
