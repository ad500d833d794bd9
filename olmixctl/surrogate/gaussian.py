"""A Gaussian process on the logarithms of the losses, around diminishing returns of every domain.

    log(f − c) ~ level − Σ_j a_j u_j(p_j; s_j) + a smooth function of u,   u = log(1 + p/s) / log(1 + 1/s)

What is parametric is the law `saturating`; the smooth function, whose rate is learned per domain, is what that law
misses: interactions. Few runs say little of the hyperparameters, so predictions average over draws of them
(`hyperparameters`), of two models, one with free slopes and one whose slopes a are not negative; of very few runs each
counts by its evidence. With more runs the mode alone gives the same, and with many it is found on a part of them.

Source of the parts: MacKay 1992 (Laplace and evidence), Neal 1996 (rates per input); the combination is ours and its
measurements stand in docs/numerics.md. Array dimensions: R runs, C coordinates, S sampled ones, M metrics, K metrics
that move, N mixtures, P parameters, D draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from olmixctl.surrogate.draws import Draws, drawn_evidence
from olmixctl.surrogate.hyperparameters import SOME, batches, hyperparameters
from olmixctl.surrogate.model import Array, Evidence, Fit, FitStatus
from olmixctl.surrogate.process import Expected, Posterior, Process
from olmixctl.surrogate.targets import Targets, status_of

__all__ = ["Gaussian", "GaussianFit"]

# Up to so many runs hyperparameters are found on all of them.
_MANY = 256
# The power of the evidence that models count by. It is Laplace's, of priors that hold in part: the whole of it is too
# sure, and at a third it does better.
_TRUST = 0.3
_STREAM = 84


@dataclass(frozen=True, kw_only=True)
class GaussianFit:
    """Fitted processes; predictions are made from the runs and the hyperparameters. Not slotted: what all predictions
    need is made once and kept.

    Attributes:
        coordinates: C names.
        metrics: M names.
        targets: the runs, standardised.
        free_DKP: hyperparameters of the model with free slopes, by draw.
        held_DKP: those of the model with slopes that are not negative; no draws when there are many runs.
        held_K: how much that model counts, 0 to 1.
        status: read first.
        stream: entropy of a draw of the functions themselves; none: what is expected of them.
        alone: of a draw, whether slopes are held → the posterior of the only hyperparameters there are, which all draws
            have in common.
    """

    coordinates: tuple[str, ...]
    metrics: tuple[str, ...]
    targets: Targets
    free_DKP: Array
    held_DKP: Array
    held_K: Array
    status: FitStatus
    stream: tuple[int, ...] = ()
    alone: Mapping[bool, Posterior] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """`gaussian`."""
        return "gaussian"

    def predict(self, weights_NC: Array) -> Array:
        """The loss expected at each mixture: N × M."""
        return self.targets.losses(self._expect(weights_NC))

    def spread(self, weights_NC: Array) -> Array:
        """Standard deviation of a new run's loss at each mixture, as the model sees it: N × M."""
        mean_NK, variance_NK = self._moments(weights_NC)
        targets = self.targets
        spread_NM = np.zeros((len(weights_NC), len(self.metrics)))
        above_NK = np.exp(targets.mean_K + targets.scale_K * mean_NK)
        spread_NM[:, targets.moving_M] = above_NK * targets.scale_K * np.sqrt(variance_NK)
        return spread_NM

    def gradient(self, weights_C: Array) -> Array:
        """∂ metric / ∂ weight: M × C."""
        targets, here_S = self.targets, weights_C[self.targets.places_S]
        gradient_MC = np.zeros((len(self.metrics), len(self.coordinates)))
        if not len(targets.floor_K):
            return gradient_MC
        slope_KS = np.zeros((len(targets.floor_K), len(here_S)))
        for share_K, found in self._expected:
            slope_DKS = found.gradient(here_S).reshape(-1, *slope_KS.shape)
            slope_KS += share_K[:, None] * slope_DKS.sum(axis=0)
        above_K1 = np.exp(targets.mean_K + targets.scale_K * self._expect(weights_C[None])[0])[:, None]
        rows = np.flatnonzero(targets.moving_M)
        gradient_MC[np.ix_(rows, targets.places_S)] = above_K1 * targets.scale_K[:, None] * slope_KS
        return gradient_MC

    def parameters(self) -> dict[str, Array]:
        """Centres of the hyperparameters, which draws lie around in pairs, and scales."""
        targets = self.targets
        centres = {n: d.sum(axis=0) / max(len(d), 1) for n, d in (("free", self.free_DKP), ("held", self.held_DKP))}
        return {**centres, "floors": targets.floor_K, "means": targets.mean_K, "scales": targets.scale_K}

    @cached_property
    def _expected(self) -> tuple[tuple[Array, Expected], ...]:
        """What a draw of each model counts (K), and its means: a problem a draw and metric, the first draw first."""
        targets, found = self.targets, []
        for held, share_K, draws_DKP in self._models():
            at_BP = draws_DKP.reshape(-1, draws_DKP.shape[2])
            every_BR = np.tile(targets.values_KR, (len(draws_DKP), 1))
            slices = batches(len(at_BP), len(targets.weights_RS) ** 2)
            process = Process(targets.weights_RS, every_BR, held)
            if self.stream and len(at_BP):
                rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((*self.stream, _STREAM, int(held)))))
                posterior = self.alone.get(held) or process.posterior(at_BP)
                found.append((share_K, posterior.draw(rng)))
                continue
            parts = [Process(targets.weights_RS, every_BR[b], held).posterior(at_BP[b]).expected for b in slices]
            if parts:
                found.append((share_K, Expected.joined(process, parts)))
        return tuple(found)

    def _expect(self, weights_NC: Array) -> Array:
        """Mean of the standardised logarithms, over all draws: N × K."""
        weights_NS, count = weights_NC[:, self.targets.places_S], len(self.targets.floor_K)
        sum_NK = np.zeros((len(weights_NS), count))
        for share_K, found in self._expected:
            for rows in batches(len(weights_NS), found.solved_BR.size):
                mean_BN = found.at(weights_NS[rows])
                sum_NK[rows] += mean_BN.reshape(-1, count, mean_BN.shape[1]).sum(axis=0).T * share_K
        return sum_NK

    def _moments(self, weights_NC: Array) -> tuple[Array, Array]:
        """Mean and variance of the standardised logarithms, over all draws: N × K each."""
        targets, weights_NS = self.targets, weights_NC[:, self.targets.places_S]
        count = len(targets.floor_K)
        first_NK, second_NK = np.zeros((len(weights_NC), count)), np.zeros((len(weights_NC), count))
        for held, share_K, draws_DKP in self._models():
            for at_KP in draws_DKP:
                for batch in batches(count, len(targets.weights_RS) ** 2):
                    process = Process(targets.weights_RS, targets.values_KR[batch], held)
                    posterior = process.posterior(at_KP[batch])
                    for rows in batches(len(weights_NS), targets.values_KR[batch].size):
                        mean_KN, variance_KN = posterior.at(weights_NS[rows])
                        first_NK[rows, batch] += mean_KN.T * share_K[batch]
                        second_NK[rows, batch] += (variance_KN + mean_KN**2).T * share_K[batch]
        return first_NK, np.maximum(second_NK - first_NK**2, 0.0)

    def drawn(self, stream: tuple[int, ...]) -> GaussianFit:
        """Of each metric one model, one draw of its hyperparameters, and one function that these and the runs allow.

        Args:
            stream: entropy of what is drawn.
        """
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((*stream, _STREAM))))
        every = np.arange(len(self.held_K))
        held_K = (rng.random(len(every)) < self.held_K).astype(np.float64)
        free_DKP, held_DKP = (
            draws_DKP[rng.integers(0, max(len(draws_DKP), 1), len(every)), every][None] if len(draws_DKP) else draws_DKP
            for draws_DKP in (self.free_DKP, self.held_DKP)
        )
        alone = self._alone
        return replace(self, held_K=held_K, free_DKP=free_DKP, held_DKP=held_DKP, stream=stream, alone=alone)

    @cached_property
    def _alone(self) -> dict[bool, Posterior]:
        """The posterior of each model that has one draw of its hyperparameters."""
        return {
            held: Process(self.targets.weights_RS, self.targets.values_KR, held).posterior(draws_DKP[0])
            for held, _, draws_DKP in self._models()
            if len(draws_DKP) == 1 and draws_DKP.size
        }

    def _models(self) -> Iterator[tuple[bool, Array, Array]]:
        """Each model: whether its slopes are held, how much one of its draws counts (K), and its draws."""
        for held, share_K, draws_DKP in ((False, 1.0 - self.held_K, self.free_DKP), (True, self.held_K, self.held_DKP)):
            yield held, share_K / max(len(draws_DKP), 1), draws_DKP


@dataclass(frozen=True, slots=True)
class Gaussian:
    """The family."""

    @property
    def name(self) -> str:
        """Registry name."""
        return "gaussian"

    def fit(self, evidence: Evidence) -> GaussianFit:
        """Fit every metric; deterministic, and independent of the order and names of runs, metrics and coordinates.

        Never-sampled coordinates have no effect on predictions and are named by the status. Runs of one mixture are
        told apart by noise alone, so replicates measure it.
        """
        targets = Targets.of(evidence)
        runs = len(evidence.runs)
        part_R = _part(targets.weights_RS) if runs > _MANY else np.arange(runs)
        models = [hyperparameters(Process(targets.weights_RS[part_R], targets.values_KR[:, part_R], held=False))]
        free_DKP = models[0].draws_DKP
        held_DKP, held_K = np.zeros((0, *free_DKP.shape[1:])), np.zeros(free_DKP.shape[1])
        if runs <= SOME:
            models.append(hyperparameters(Process(targets.weights_RS, targets.values_KR, held=True)))
            held_DKP = models[1].draws_DKP
            held_K = 0.5 + 0.5 * np.tanh(0.5 * _TRUST * (models[1].evidence_K - models[0].evidence_K))
        settled_K = np.all([model.settled_K for model in models], axis=0)
        moving = [name for name, moves in zip(evidence.metrics, targets.moving_M, strict=True) if moves]
        still = tuple(name for name, done in zip(moving, settled_K, strict=True) if not done and runs <= SOME)
        return GaussianFit(
            coordinates=evidence.coordinates,
            metrics=evidence.metrics,
            targets=targets,
            free_DKP=free_DKP,
            held_DKP=held_DKP,
            held_K=held_K,
            status=status_of(evidence, free_DKP.shape[2], still, max(model.iterations for model in models)),
        )

    def refit(self, start: Fit, evidence: Evidence) -> GaussianFit:
        """The processes of `start`, hyperparameters and their draws kept, conditioned on other runs; see `Family`.

        Raises:
            TypeError: `start` is of another family.
        """
        if not isinstance(start, GaussianFit):
            raise TypeError(f"a {start.family} law is not refitted as gaussian")
        status = replace(start.status, converged=True, notes=())
        return replace(start, targets=start.targets.on(evidence), status=status, alone={})

    def refits(self, start: Fit, evidence: Evidence, draws: Draws) -> Iterator[GaussianFit]:
        """One by one; see `Family`.

        Where draws have streams they are of the posterior, which says what the runs leave open; every run counts once.
        """
        if draws.streams:
            found = self.refit(start, evidence)
            yield from (found.drawn(stream) for stream in draws.streams)
        else:
            yield from (self.refit(start, drawn_evidence(evidence, draws, n)) for n in range(len(draws)))


def _part(weights_RS: Array) -> Array:
    """The runs that hyperparameters are found on: `_MANY` of them, drawn by their mixtures and not by their order."""
    order_R = np.lexsort(weights_RS.T)
    return np.sort(order_R[np.random.Generator(np.random.Philox(1)).permutation(len(order_R))[:_MANY]])
