"""What runs cost, from arithmetic and from what recorded runs of the same model took. Pure.

FLOPs are 6·N·D for training (Kaplan et al. 2020, arXiv 2001.08361, §2.1) and 2·N for each token that is scored.
Device-seconds come from recorded runs of the same model on one device: p10, p50 and p90 of what they would have taken
at this number of tokens; the time they spent in evaluation does not grow with it. Without such runs there is none.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from olmixctl.ledger.model import RunRecord
from olmixctl.plan.model import Cost, Observed
from olmixctl.spec.model import BudgetSpec, ProxySpec
from olmixctl.spec.presets import PRESETS

__all__ = ["Rates", "actual_seconds", "calibrate", "part_of"]

_SECONDS_PER_HOUR = 3600.0
_QUANTILES = (0.1, 0.5, 0.9)
_CPU = "cpu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What one run costs.

    Attributes:
        flops: of one run, training and evaluation.
        seconds: device-seconds of one run as each recorded run tells them, sorted; empty when nothing is known.
        device: the device they are of; "" when runs do not say.
        others: device → runs on it, which are left out.
        budget: price and currency.
    """

    flops: float
    seconds: tuple[float, ...]
    device: str
    others: Mapping[str, int]
    budget: BudgetSpec

    def of(self, runs: int) -> Cost:
        """The cost of `runs` runs."""
        seconds = money = None
        if self.seconds:
            low, middle, high = (_quantile(self.seconds, q) * runs for q in _QUANTILES)
            seconds = (low, middle, high)
        if seconds is not None and self.budget.gpu_hour_price is not None:
            each = self.budget.gpu_hour_price / _SECONDS_PER_HOUR
            money = (seconds[0] * each, seconds[1] * each, seconds[2] * each)
        return Cost(
            runs=runs,
            flops=runs * self.flops,
            device_seconds=seconds,
            calibration=len(self.seconds),
            money=money,
            currency=self.budget.currency,
            device=self.device,
            other_devices=self.others,
        )


def calibrate(observed: Observed, records: Iterable[RunRecord], recent: Iterable[str] = ()) -> Rates:
    """The rates of the runs this mix asks for.

    Args:
        observed: the present; its mix file says what is trained, where, and at what price.
        records: recorded runs; those of other models, without times, or that diverged are passed over.
        recent: keys of the runs of the last apply: where `executor.device` leaves the choice, theirs is the device.
    """
    spec = observed.spec
    by_device: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        if (
            record.inputs.model == spec.proxy.model
            and record.status == "done"
            and "device_seconds" in record.provenance
        ):
            by_device[str(record.provenance.get("device", ""))].append(record)
    device = _device(spec.executor.device, by_device, frozenset(recent))
    return Rates(
        flops=run_flops(spec.proxy, observed.vocabulary, observed.eval_tokens),
        seconds=tuple(sorted(_scaled(record, spec.proxy.tokens) for record in by_device.get(device, ()))),
        device=device,
        others={name: len(runs) for name, runs in sorted(by_device.items()) if name != device},
        budget=spec.budget,
    )


def part_of(cost: Cost, runs: int) -> Cost:
    """The cost of `runs` of the runs that `cost` is of."""
    share = runs / cost.runs if cost.runs else 0.0
    return replace(
        cost,
        runs=runs,
        flops=cost.flops * share,
        device_seconds=_times(cost.device_seconds, share),
        money=_times(cost.money, share),
    )


def _times(spread: tuple[float, float, float] | None, share: float) -> tuple[float, float, float] | None:
    return None if spread is None else (spread[0] * share, spread[1] * share, spread[2] * share)


def run_flops(proxy: ProxySpec, vocabulary: int, eval_tokens: int) -> float:
    """6·N·D + 2·N·(tokens scored) of one run; N counts the blocks and the head."""
    preset = PRESETS[proxy.model]
    return (
        proxy.tokens * preset.train_flops_per_token(vocabulary)
        + 2.0 * preset.total_parameters(vocabulary) * eval_tokens
    )


def actual_seconds(records: Iterable[RunRecord]) -> float | None:
    """Device-seconds that runs took; None when none of them says."""
    told = [float(r.provenance["device_seconds"]) for r in records if "device_seconds" in r.provenance]
    return sum(told) if told else None


def _device(wanted: str, by_device: Mapping[str, list[RunRecord]], recent: frozenset[str]) -> str:
    """The device that will train: as declared, else that of the last apply, else the one with most runs."""
    fitting = {name: runs for name, runs in by_device.items() if wanted == "auto" or (name == _CPU) == (wanted == _CPU)}
    counts = Counter({name: sum(run.key in recent for run in runs) for name, runs in fitting.items()})
    if not counts:
        return ""
    return min(counts, key=lambda name: (-counts[name], -len(fitting[name]), name))


def _scaled(record: RunRecord, tokens: int) -> float:
    """Device-seconds of a run, had it trained on `tokens` tokens."""
    told, seconds = record.provenance, float(record.provenance["device_seconds"])
    training, scoring = float(told.get("train_seconds", 1.0)), float(told.get("eval_seconds", 0.0))
    share = training / (training + scoring) if training + scoring > 0 else 1.0
    return seconds * (share * tokens / record.inputs.tokens + 1 - share)


def _quantile(ordered: tuple[float, ...], q: float) -> float:
    if len(ordered) == 1:
        return ordered[0]
    return statistics.quantiles(ordered, n=100, method="inclusive")[round(q * 100) - 1]
