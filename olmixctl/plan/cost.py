"""What runs cost, from arithmetic and from what recorded runs of the same model took. Pure.

FLOPs are 6·N·D (Kaplan et al. 2020, arXiv 2001.08361, §2.1). Device-seconds come from recorded runs of the same model:
p10, p50 and p90 of their seconds per training token, evaluation included. Without such runs there is no estimate.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from olmixctl.ledger.model import RunRecord
from olmixctl.plan.model import Cost
from olmixctl.spec.model import BudgetSpec, ProxySpec
from olmixctl.spec.presets import PRESETS

__all__ = ["estimate_cost"]

_SECONDS_PER_HOUR = 3600.0


def estimate_cost(
    runs: int, proxy: ProxySpec, vocabulary: int, budget: BudgetSpec, recorded: Iterable[RunRecord]
) -> Cost:
    """Cost of training `runs` runs of `proxy`.

    Args:
        runs: how many.
        proxy: model and tokens a run.
        vocabulary: tokeniser's size, for the head's share of the FLOPs.
        budget: price and currency.
        recorded: runs to calibrate on; those of other models are passed over.
    """
    flops = runs * proxy.tokens * PRESETS[proxy.model].train_flops_per_token(vocabulary)
    rates = sorted(
        float(r.provenance["device_seconds"]) / r.inputs.tokens
        for r in recorded
        if r.inputs.model == proxy.model and r.status == "done" and "device_seconds" in r.provenance
    )
    seconds = None
    if rates:
        low, middle, high = (_quantile(rates, q) * proxy.tokens * runs for q in (0.1, 0.5, 0.9))
        seconds = (low, middle, high)
    price = budget.gpu_hour_price
    money = None if seconds is None or price is None else seconds[1] / _SECONDS_PER_HOUR * price
    return Cost(
        runs=runs,
        flops=flops,
        device_seconds=seconds,
        calibration=len(rates),
        money=money,
        currency=budget.currency,
    )


def _quantile(ordered: list[float], q: float) -> float:
    if len(ordered) == 1:
        return ordered[0]
    return statistics.quantiles(ordered, n=100, method="inclusive")[round(q * 100) - 1]
