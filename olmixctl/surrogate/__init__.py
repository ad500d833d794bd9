"""Mixture → metric: parametric laws fitted to the swarm's runs, one file a family, all metrics in one call."""

from __future__ import annotations

from olmixctl.surrogate.model import Evidence, Family, Fit, FitStatus, parameters_digest
from olmixctl.surrogate.registry import FAMILIES
from olmixctl.surrogate.validation import CrossValidation, cross_validate

__all__ = [
    "FAMILIES",
    "CrossValidation",
    "Evidence",
    "Family",
    "Fit",
    "FitStatus",
    "cross_validate",
    "parameters_digest",
]
