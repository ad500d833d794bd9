"""Diminishing returns: what a share of a domain is worth, with a scale of its own a domain and metric.

    u(p; s) = log(1 + p / s) / log(1 + 1 / s),   from 0 at no share to 1 at everything

A small s saturates early, a large one is nearly the straight line. Array dimensions: B problems (metrics, draws),
N mixtures, C coordinates.
"""

from __future__ import annotations

import numpy as np

from olmixctl.surrogate.model import Array

__all__ = ["by_scale", "by_share", "returns"]


def returns(weights_NC: Array, scale_BC: Array) -> Array:
    """Returns u at each mixture, B × N × C; `scale_BC` holds log s."""
    scale_B1C = np.exp(scale_BC)[:, None, :]
    return np.asarray(np.log1p(weights_NC[None] / scale_B1C) / np.log1p(1.0 / scale_B1C))


def by_scale(weights_NC: Array, scale_BC: Array, returns_BNC: Array) -> Array:
    """∂u / ∂ log s, B × N × C."""
    scale_B1C = np.exp(scale_BC)[:, None, :]
    whole_B1C = np.log1p(1.0 / scale_B1C)
    own_BNC = weights_NC[None] / (scale_B1C + weights_NC[None])
    return np.asarray((returns_BNC / (1.0 + scale_B1C) - own_BNC) / whole_B1C)


def by_share(weights_NC: Array, scale_BC: Array) -> Array:
    """∂u / ∂p, B × N × C."""
    scale_B1C = np.exp(scale_BC)[:, None, :]
    return np.asarray(1.0 / ((scale_B1C + weights_NC[None]) * np.log1p(1.0 / scale_B1C)))
