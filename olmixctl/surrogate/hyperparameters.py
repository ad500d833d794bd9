"""Hyperparameters of Gaussian processes: the noise by its evidence, the others at their mode, and draws around both.

At the mode of all of them noise is too small: slopes, rates and scales of many domains take it for signal, and the
process is sure of what it made up. So the noise is what its evidence says, the likelihood with all others integrated
out around their mode at that noise (Laplace; MacKay 1992, Bayesian interpolation, section 4; on a grid, as in Rue,
Martino and Chopin 2009, Approximate Bayesian inference by using integrated nested Laplace approximations, section 3).

Array dimensions: K metrics, P parameters (the noise last), Q = P − 1 others, D draws, G noises.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.descent import Index, Objective, descend
from olmixctl.surrogate.model import Array
from olmixctl.surrogate.polish import polish
from olmixctl.surrogate.process import Process

__all__ = ["SOME", "Hyperparameters", "batches", "hyperparameters"]

# Up to so many runs: many draws, and models by their evidence; noise by its evidence, and draws; the last digits.
_SCARCE, _FEW, SOME = 32, 96, 192
_MANY_DRAWS, _DRAWS = 64, 16
_ITERATIONS = 400
# With more runs than `SOME`; forty gave the same predictions as two hundred.
_FEWER_ITERATIONS = 40
_TOLERANCE = 1e-8
_OFFSETS = (0.0, 0.5, 1.0, 1.5)
"""Of the logarithm of the noise, from the mode of all hyperparameters: the evidence lies above it."""
_DIGITS = 3
"""Of that offset: what it is known to by far, and a border that last bits hardly ever cross."""
_NODE_ITERATIONS, _NODE_TOLERANCE, _CHORDS = 60, 1e-10, 3
_DIFFERENCE = 1e-3
# The least precision of the posterior: of the widest directions of the prior, where runs say nothing.
_LEAST_PRECISION = 0.25
# Entries of a batch of matrices: 32 MB, and several are alive at once.
_BATCH = 4_000_000


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What is known of them.

    Attributes:
        draws_DKP: draws, in pairs on either side of their centre; where runs are not few the mode alone.
        evidence_K: log evidence of the model, up to a constant; zero where runs are not scarce, and models count alike.
        settled_K: whether the search reached its last digits; with more than `SOME` runs it does not try.
        iterations: of the slowest metric.
    """

    draws_DKP: Array
    evidence_K: Array
    settled_K: NDArray[np.bool_]
    iterations: int


@dataclass(frozen=True, slots=True)
class _Node:
    """The mode of the others at one noise: all parameters, the Hessian over the others, and the log evidence."""

    at_KP: Array
    curvature_KQQ: Array
    evidence_K: Array


def hyperparameters(process: Process) -> Hyperparameters:
    """Those of every metric, in batches that fit into memory."""
    runs, count = process.targets_BR.shape[1], len(process.targets_BR)
    parts = [_batch(Process(process.weights_RC, process.targets_BR[b], process.held)) for b in batches(count, runs**2)]
    if not parts:
        nothing_K = np.zeros(0)
        return Hyperparameters(np.zeros((1, 0, len(process.prior()))), nothing_K, nothing_K.astype(bool), 0)
    return Hyperparameters(
        np.concatenate([part.draws_DKP for part in parts], axis=1),
        np.concatenate([part.evidence_K for part in parts]),
        np.concatenate([part.settled_K for part in parts]),
        max(part.iterations for part in parts),
    )


def _batch(process: Process) -> Hyperparameters:
    runs, start_KP = process.targets_BR.shape[1], np.repeat(process.prior()[None], len(process.targets_BR), axis=0)
    iterations = _ITERATIONS if runs <= SOME else _FEWER_ITERATIONS
    found = descend(process.objective, start_KP, iterations=iterations, tolerance=_TOLERANCE)
    if runs > SOME:
        # The search ends early: it then has no time to amplify the last bits.
        return Hyperparameters(found.parameters_BP[None], np.zeros(len(start_KP)), found.settled_B, found.iterations)
    mode = polish(process.objective, found.parameters_BP)
    if runs > _FEW:
        return Hyperparameters(mode.parameters_BP[None], np.zeros(len(start_KP)), mode.settled_B, found.iterations)
    centre_KP, evidence_K, settled_K = _by_evidence(process, mode.parameters_BP)
    evidence_K = evidence_K if runs <= _SCARCE else np.zeros(len(start_KP))
    return Hyperparameters(_around(process, centre_KP), evidence_K, mode.settled_B & settled_K, found.iterations)


def _by_evidence(process: Process, mode_KP: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The noise that is expected by its evidence and the mode of the others there; the model's evidence; what settled.

    A mean over a grid is smooth in the runs, where the largest of several values would jump; rounded, it is the same on
    every processor, though matrices of exact runs leave their values few digits.
    """
    nodes = [_node(process, mode_KP)]
    for before, offset in pairwise(_OFFSETS):
        start_KP = np.column_stack([nodes[-1].at_KP[:, :-1], nodes[-1].at_KP[:, -1] + offset - before])
        nodes.append(_node(process, _moved(process, start_KP, nodes[-1].curvature_KQQ)))
    evidence_GK = np.array([node.evidence_K for node in nodes])
    best_K = evidence_GK.max(axis=0)
    share_GK = np.exp(evidence_GK - best_K)
    expected_K = (share_GK * np.array(_OFFSETS)[:, None]).sum(axis=0) / share_GK.sum(axis=0)
    expected_K = np.round(expected_K, _DIGITS)
    near_K, every = np.abs(np.array(_OFFSETS)[:, None] - expected_K).argmin(axis=0), np.arange(len(mode_KP))
    start_KP = np.array([node.at_KP for node in nodes])[near_K, every]
    start_KP[:, -1] = mode_KP[:, -1] + expected_K
    start_KP = _moved(process, start_KP, np.array([node.curvature_KQQ for node in nodes])[near_K, every])
    ended = polish(_others(process, start_KP[:, -1]), start_KP[:, :-1])
    evidence_K = best_K + np.log(share_GK.mean(axis=0))
    return np.column_stack([ended.parameters_BP, start_KP[:, -1]]), evidence_K, ended.settled_B


def _others(process: Process, noise_K: Array) -> Objective:
    """The objective in all parameters but the noise."""

    def objective(at_BQ: Array, index: Index) -> tuple[Array, Array]:
        value_B, slope_BP = process.objective(np.column_stack([at_BQ, noise_K[index]]), index)
        return value_B, slope_BP[:, :-1]

    return objective


def _moved(process: Process, start_KP: Array, curvature_KQQ: Array) -> Array:
    """The mode of the others from a point near by, along axes in which its neighbour's posterior is round."""
    root_KQQ, objective = _root(curvature_KQQ), _others(process, start_KP[:, -1])

    def rounded(at_BQ: Array, index: Index) -> tuple[Array, Array]:
        away_BQ = np.matmul(root_KQQ[index], at_BQ[:, :, None])[:, :, 0]
        value_B, slope_BQ = objective(start_KP[index, :-1] + away_BQ, index)
        return value_B, np.matmul(root_KQQ[index], slope_BQ[:, :, None])[:, :, 0]

    begin_KQ = np.zeros((len(start_KP), start_KP.shape[1] - 1))
    found = descend(rounded, begin_KQ, iterations=_NODE_ITERATIONS, tolerance=_NODE_TOLERANCE)
    away_KQ = np.matmul(root_KQQ, found.parameters_BP[:, :, None])[:, :, 0]
    return np.column_stack([start_KP[:, :-1] + away_KQ, start_KP[:, -1]])


def _node(process: Process, at_KP: Array) -> _Node:
    """A mode of the others: its last digits by steps of Newton's with one Hessian, and the evidence."""
    objective, at_KQ, every = _others(process, at_KP[:, -1]), at_KP[:, :-1].copy(), np.arange(len(at_KP))
    curvature_KQQ = _curvature(objective, at_KQ)
    root_KQQ = _root(curvature_KQQ)
    for _ in range(_CHORDS):
        slope_KQ1 = objective(at_KQ, every)[1][:, :, None]
        at_KQ = at_KQ - np.matmul(root_KQQ, np.matmul(root_KQQ, slope_KQ1))[:, :, 0]
    values_KQ = np.maximum(np.linalg.eigvalsh(curvature_KQQ), _LEAST_PRECISION)
    evidence_K = -objective(at_KQ, every)[0] - 0.5 * np.log(values_KQ).sum(axis=1)
    return _Node(np.column_stack([at_KQ, at_KP[:, -1]]), curvature_KQQ, evidence_K)


def _around(process: Process, centre_KP: Array) -> Array:
    """Draws of the normal distribution around the centre, in pairs on either side of it: D × K × P."""
    root_KPP = _root(_curvature(process.objective, centre_KP))
    draws = _MANY_DRAWS if len(process.weights_RC) <= _SCARCE else _DRAWS
    normal_DP = np.random.Generator(np.random.Philox(0)).standard_normal((draws // 2, centre_KP.shape[1]))
    away_DKP = np.matmul(root_KPP, normal_DP.T).transpose(2, 0, 1)
    return np.concatenate([centre_KP + away_DKP, centre_KP - away_DKP])


def _root(curvature_KQQ: Array) -> Array:
    """The symmetric root of the inverse: nothing made of it depends on the signs of eigenvectors."""
    values_KQ, vectors_KQQ = np.linalg.eigh(curvature_KQQ)
    values_KQ = np.maximum(values_KQ, _LEAST_PRECISION)
    return np.asarray(np.matmul(vectors_KQQ / np.sqrt(values_KQ)[:, None, :], vectors_KQQ.transpose(0, 2, 1)))


def _curvature(objective: Objective, at_KQ: Array) -> Array:
    """The Hessian, by differences of the gradient: K × Q × Q."""
    every, curvature_KQQ = np.arange(len(at_KQ)), np.empty((*at_KQ.shape, at_KQ.shape[1]))
    here_KQ = objective(at_KQ, every)[1]
    for q, step_Q in enumerate(_DIFFERENCE * np.eye(at_KQ.shape[1])):
        curvature_KQQ[:, q] = (objective(at_KQ + step_Q, every)[1] - here_KQ) / _DIFFERENCE
    return np.asarray(0.5 * (curvature_KQQ + curvature_KQQ.transpose(0, 2, 1)))


def batches(count: int, entries: int) -> list[slice]:
    """`count` things of so many entries each, in slices of at most `_BATCH` entries."""
    size = max(1, _BATCH // max(entries, 1))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
