"""Swarms with a known truth."""

from __future__ import annotations

import numpy as np

from olmixctl.surrogate import Evidence

DOMAINS, METRICS = "abcdefghijklmnopqrst", "uvwxyz"


def evidence_of(weights_RC, losses_RM):
    """Evidence from arrays; runs in the order of their rows."""
    runs = [f"r{i:03}" for i in range(len(weights_RC))]
    return Evidence.of(
        {run: dict(zip(DOMAINS, map(float, row), strict=False)) for run, row in zip(runs, weights_RC, strict=True)},
        {run: dict(zip(METRICS, map(float, row), strict=False)) for run, row in zip(runs, losses_RM, strict=True)},
    )


def mixtures(runs, domains=5, seed=7, strength=0.5):
    return np.random.default_rng(seed).dirichlet(np.full(domains, strength), runs)


def diminishing(weights_NC, metrics=2, seed=0):
    """A true law of diminishing returns at each mixture: N × M, about 1 to 3 bits per byte."""
    rng = np.random.default_rng(seed)
    domains = weights_NC.shape[1]
    slopes_MC = rng.exponential(0.15, (metrics, domains))
    scales_MC = np.exp(rng.normal(np.log(0.03), 0.8, (metrics, domains)))
    pairs = zip(slopes_MC, scales_MC, strict=True)
    return 0.6 + np.exp(0.8 - np.stack([np.log1p(weights_NC / s) @ a for a, s in pairs], axis=1))


def log_linear(weights_NC, metrics=2, seed=0):
    """A true log-linear law at each mixture: N × M."""
    return 0.8 + np.exp(weights_NC @ np.random.default_rng(seed).normal(0, 0.6, (metrics, weights_NC.shape[1])).T)


def swarm(runs=30, *, truth=diminishing, noise=0.01, seed=7, domains=5):
    """Runs of a truth, with noise."""
    weights_RC = mixtures(runs, domains, seed)
    losses_RM = truth(weights_RC)
    return evidence_of(weights_RC, losses_RM + np.random.default_rng(seed + 1).normal(0, noise, losses_RM.shape))
