"""Bits per byte over held-out text and over context/continuation files.

Text is scored as it is trained on: documents in their order, an end-of-text token before each, cut into windows of the
training length; the end-of-text tokens themselves are not scored. Continuations are scored each on their own: the
context as far back as fits, and every scored token sees at least half a window before it, or all there is.

The order of windows, the batches and the sums are fixed, so a model has one score.
Dimensions: W windows, T tokens in a window.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from olmixctl.corpus.model import EvalTokens
from olmixctl.errors import CorpusError
from olmixctl.proxy.model import ProxyModel

__all__ = ["Scored", "bits_per_byte", "load_scored"]

IGNORED = -1


@dataclass(frozen=True, slots=True)
class Scored:
    """A metric, cut into windows.

    Attributes:
        name: the metric.
        inputs_WT: token ids.
        targets_WT: the ids that follow, −1 where nothing is scored.
        length_W: tokens in each window, without the padding at its end.
        size: bytes of UTF-8 that are scored.
    """

    name: str
    inputs_WT: NDArray[np.int64]
    targets_WT: NDArray[np.int64]
    length_W: NDArray[np.int64]
    size: int


def load_scored(held_out: EvalTokens, *, length: int, end_of_text: int) -> Scored:
    """Reads a metric's tokens and cuts them into windows of at most `length`.

    Raises:
        CorpusError: the file cannot be read or scores nothing.
    """
    try:
        with held_out.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tokens, offsets = arrays["tokens"].astype(np.int64), arrays["offsets"].astype(np.int64)
            targets, size = arrays["targets"].astype(np.int64), int(arrays["sizes"].sum())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CorpusError(
            f"the tokens of metric {held_out.name!r} cannot be read from {held_out.path}: {error}",
            remedy="delete the file; the next apply builds it again",
        ) from error
    documents = [tokens[begin:end] for begin, end in pairwise(offsets.tolist())]
    if size <= 0 or not documents:
        raise CorpusError(f"metric {held_out.name!r} scores no text", remedy="give it documents, or remove it")
    if held_out.kind == "text":
        windows = list(_text_windows(documents, length, end_of_text))
    else:
        windows = list(_continuation_windows(documents, targets.tolist(), length, end_of_text))
    windows.sort(key=lambda window: len(window[0]))  # windows of similar length share a batch
    length_W = np.array([len(inputs) for inputs, _ in windows], dtype=np.int64)
    return Scored(held_out.name, *_padded(windows, length, end_of_text), length_W, size)


Window = tuple[NDArray[np.int64], NDArray[np.int64]]


def _text_windows(documents: Sequence[NDArray[np.int64]], length: int, end_of_text: int) -> Iterator[Window]:
    separator = np.array([end_of_text], dtype=np.int64)
    stream = np.concatenate([part for document in documents for part in (separator, document)])
    scored = stream.copy()
    starts = np.cumsum([0] + [len(document) + 1 for document in documents[:-1]])
    scored[starts] = IGNORED
    for begin in range(0, len(stream) - 1, length):
        yield stream[begin : begin + length][: len(stream) - 1 - begin], scored[begin + 1 : begin + length + 1]


def _continuation_windows(
    documents: Sequence[NDArray[np.int64]], targets: Sequence[int], length: int, end_of_text: int
) -> Iterator[Window]:
    step = max(1, length // 2)
    for document, target in zip(documents, targets, strict=True):
        stream = np.concatenate([np.array([end_of_text], dtype=np.int64), document])
        for first in range(target + 1, len(stream), step):
            last = min(first + step, len(stream))
            begin = max(0, last - 1 - length)
            scored = stream[begin + 1 : last].copy()
            scored[: first - begin - 1] = IGNORED
            yield stream[begin : last - 1], scored


def _padded(windows: Sequence[Window], length: int, end_of_text: int) -> Window:
    """Windows as one array, filled at the end, where causal attention never looks back from."""
    inputs_WT = np.full((len(windows), length), end_of_text, dtype=np.int64)
    targets_WT = np.full((len(windows), length), IGNORED, dtype=np.int64)
    for row, (inputs, scored) in enumerate(windows):
        inputs_WT[row, : len(inputs)] = inputs
        targets_WT[row, : len(scored)] = scored
    return inputs_WT, targets_WT


@torch.inference_mode()
def bits_per_byte(model: ProxyModel, scored: Scored, *, rows: int, device: torch.device) -> float:
    """The model's negative log-likelihood of the scored tokens, in bits over their bytes; lower is better.

    Args:
        model: on `device`.
        scored: the metric.
        rows: windows at a time.
        device: where to compute.
    """
    nats = torch.zeros((), dtype=torch.float64, device=device)
    for begin in range(0, len(scored.inputs_WT), rows):
        inputs_BT, targets_BT = (part[begin : begin + rows] for part in (scored.inputs_WT, scored.targets_WT))
        longest = int(scored.length_W[begin : begin + rows].max())
        cut = [torch.from_numpy(part[:, :longest]).to(device) for part in (inputs_BT, targets_BT)]
        nats += model(*cut, reduction="sum").double()
    return float(nats) / math.log(2) / scored.size
