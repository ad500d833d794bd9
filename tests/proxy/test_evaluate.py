"""Bits per byte: every byte scored once, context as promised, one score a model."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.errors import CorpusError
from olmixctl.proxy import evaluate
from olmixctl.proxy.evaluate import bits_per_byte, load_scored
from olmixctl.proxy.model import ProxyModel
from olmixctl.spec.presets import ModelPreset

CPU = torch.device("cpu")
END = 256
documents = st.lists(st.binary(min_size=1, max_size=70), min_size=1, max_size=6)

pairs_of_bytes = st.lists(st.tuples(st.binary(max_size=60), st.binary(min_size=1, max_size=60)), min_size=1, max_size=4)


def arrays(texts: list[bytes]) -> list[np.ndarray]:
    return [np.frombuffer(text, np.uint8).astype(np.int64) for text in texts]


@given(documents, st.integers(2, 20))
def test_text_scores_every_byte_once_and_no_separator(texts, length):
    windows = list(evaluate._text_windows(arrays(texts), length, END))
    scored = np.concatenate([targets for _, targets in windows])
    assert scored[scored >= 0].tolist() == [byte for text in texts for byte in text]
    assert all(len(inputs) == len(targets) <= length for inputs, targets in windows)
    joined = np.concatenate([inputs for inputs, _ in windows]).tolist()
    assert joined.count(END) == len(texts)


@given(
    st.lists(st.tuples(st.binary(max_size=60), st.binary(min_size=1, max_size=60)), min_size=1, max_size=4),
    st.integers(2, 20),
)
def test_continuations_score_their_own_bytes_with_half_a_window_of_context(pairs, length):
    texts, targets = [context + continuation for context, continuation in pairs], [len(c) for c, _ in pairs]
    windows = list(evaluate._continuation_windows(arrays(texts), targets, length, END))
    scored = np.concatenate([one for _, one in windows])
    assert scored[scored >= 0].tolist() == [byte for _, continuation in pairs for byte in continuation]
    for inputs, one in windows:
        assert len(inputs) <= length
        first = int(np.flatnonzero(one >= 0)[0])
        assert first + 1 >= min(length - length // 2, 1 + inputs.tolist().index(END) if END in inputs else length)
        assert first + 1 >= length - length // 2 or inputs[0] == END


@pytest.fixture
def model() -> ProxyModel:
    built = ProxyModel(ModelPreset("tiny", 1, 16, 2, 24), 257, 32, seed=0, dtype=torch.float32)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.3)
    return built.requires_grad_(requires_grad=False)


def test_the_score_is_the_likelihood_by_hand(model, tmp_path, make_eval):
    text = "short text"
    held_out = make_eval(tmp_path, "one", "text", [(0, text)])
    tokens = torch.tensor([[END, *text.encode()]])
    by_hand = float(model(tokens[:, :-1], tokens[:, 1:])) / math.log(2)
    assert score(model, held_out) == pytest.approx(by_hand, rel=1e-6)


def test_a_continuation_is_scored_given_its_context(model, tmp_path, make_eval):
    held_out = make_eval(tmp_path, "one", "continuation", [(6, "short text")])
    tokens = torch.tensor([[END, *b"short text"]])
    targets = tokens[:, 1:].clone()
    targets[:, :6] = -1
    by_hand = float(model(tokens[:, :-1], targets)) / math.log(2)
    assert score(model, held_out) == pytest.approx(by_hand, rel=1e-6)


def test_bytes_not_tokens_are_the_unit(model, tmp_path, make_eval):
    held_out = make_eval(tmp_path, "one", "text", [(0, "short text")])
    with np.load(held_out.path) as file:
        fields = dict(file)
    np.savez(held_out.path, **fields | {"sizes": fields["sizes"] * 4})
    assert score(model, held_out) == pytest.approx(by_bytes(model, fields) / 4, rel=1e-6)


def by_bytes(model, fields) -> float:
    tokens = torch.tensor([[END, *fields["tokens"].tolist()]])
    return float(model(tokens[:, :-1], tokens[:, 1:])) / math.log(2)


@settings(deadline=None, max_examples=5)
@given(st.integers(1, 9))
def test_windows_at_a_time_do_not_matter(rows):
    # Built here: Hypothesis does not reset function fixtures.
    built = ProxyModel(ModelPreset("tiny", 1, 16, 2, 24), 257, 8, seed=0, dtype=torch.float32)
    scored = pieces()
    assert bits_per_byte(built, scored, rows=rows, device=CPU) == pytest.approx(
        bits_per_byte(built, scored, rows=100, device=CPU), rel=1e-6
    )


def pieces() -> evaluate.Scored:
    windows = list(evaluate._continuation_windows(arrays([b"abc" * 9, b"hello"]), [4, 2], 8, END))
    windows.sort(key=lambda window: len(window[0]))
    lengths = np.array([len(inputs) for inputs, _ in windows])
    return evaluate.Scored("m", *evaluate._padded(windows, 8, END), lengths, 26)


def score(model, held_out) -> float:
    scored = load_scored(held_out, length=32, end_of_text=END)
    return bits_per_byte(model, scored, rows=4, device=CPU)


def test_a_missing_file_is_named(evals, tmp_path):
    held_out = evals[0]
    moved = type(held_out)(name="gone", kind="text", path=tmp_path / "gone.npz", documents=1, tokens=1)
    with pytest.raises(CorpusError, match=r"metric 'gone' cannot be read from .*gone\.npz"):
        load_scored(moved, length=8, end_of_text=END)


def test_a_truncated_file_is_named(tmp_path, make_eval):
    held_out = make_eval(tmp_path, "cut", "text", [(0, "text " * 100)])
    held_out.path.write_bytes(held_out.path.read_bytes()[:200])
    with pytest.raises(CorpusError, match="'cut' cannot be read"):
        load_scored(held_out, length=8, end_of_text=END)


def test_a_metric_without_text_is_refused(tmp_path, make_eval):
    held_out = make_eval(tmp_path, "empty", "text", [(0, "")])
    with pytest.raises(CorpusError, match="'empty' scores no text"):
        load_scored(held_out, length=8, end_of_text=END)
