"""How sure a mix is, in words: chances, the change beside run-to-run noise, and where the noise is known from."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from olmixctl.lock.model import Ends, Lock, LockedConfidence
from olmixctl.ranks import rank_by_chance
from olmixctl.report.numbers import bits, plural, run_name

__all__ = [
    "base_in_words",
    "chances_in_words",
    "change_in_words",
    "doubt_in_words",
    "ends_in_percent",
    "gain_in_words",
    "noise_in_words",
    "ranked_in_words",
    "spikes_in_words",
    "unknown_chance_in_words",
    "weak_in_words",
    "worse_in_words",
]

_NAMED = 3
_SURE = Decimal("0.90")
"""A chance of being better that reads as if a run would show it."""
_EVEN = Decimal("0.50")
_LEVEL = Decimal("0.000005")
"""Objectives that differ by less are level: rounding a mix to the grid moves them as much."""


def chances_in_words(found: LockedConfidence, *, worst_case: bool = False) -> str:
    """`P(better than natural) 0.99, P(better than previous) 0.93, by 100 resamples`; may be empty."""
    sides = {"natural": found.better_than_natural, "previous": found.better_than_previous}
    what = "worst family better than" if worst_case else "better than"
    said = [f"P({what} {name}) {value:.2f}" for name, value in sides.items() if value is not None]
    unsolved = f", {found.drawn - found.solved} of them unsolved" if found.solved < found.drawn else ""
    return f"{', '.join(said)}, by {plural(found.drawn, 'resample')}{unsolved}" if said else ""


def doubt_in_words(found: LockedConfidence, *, worst_case: bool = False) -> str:
    """That the natural mix is likelier better, where the resamples say so, and how that can be; else empty."""
    if found.better_than_natural is None or found.better_than_natural >= _EVEN:
        return ""
    if worst_case:
        return (
            "some family is likelier worse than at the natural mix: each may be predicted to gain, but the worst of "
            "them in a resample is the one that luck is against"
        )
    return "the natural mix is likelier better; whether it keeps the bounds that this mix keeps, P does not ask"


def gain_in_words(found: LockedConfidence, gain: Decimal | None, unit: str) -> str:
    """That the predicted gain over natural is within noise, where it is and no previous mix compares; else empty."""
    if gain is None or gain <= 0 or found.change is not None or gain >= found.noise.two_runs:
        return ""
    return (
        f"the gain over natural {_below(found)}: {_small(gain)} {unit} of the objective are predicted, and "
        f"{_noise_of_two(found)}{_both('natural', found.better_than_natural)}"
    )


def _below(found: LockedConfidence) -> str:
    """What is below a bound of the noise may be above the noise itself: nothing measured that."""
    measured = found.noise.basis == "replicates"
    return "is below run-to-run noise" if measured else "cannot be told from run-to-run noise"


def _noise_of_two(found: LockedConfidence) -> str:
    return _two_runs(_small(found.noise.two_runs), measured=found.noise.basis == "replicates")


def _both(than: str, better: Decimal | None) -> str:
    """How a difference can be sure and below the noise."""
    if better is None or better < _SURE:
        return ""
    return f"; P(better than {than}) is of their means, which one run of each would not show"


def unknown_chance_in_words(lock: Lock) -> str:
    """Why a lock around kept ratios does not say how sure it is to be better than natural; empty where it does."""
    if lock.confidence is None or lock.confidence.better_than_natural is not None or not lock.blocks:
        return ""
    return "no P(better than natural): the natural mix does not have the kept ratios, so these laws do not predict it"


def weak_in_words(lock: Lock) -> str:
    """That the laws of a lock say nothing of what they have not seen, where that is so; else empty."""
    if lock.surrogate is None or lock.surrogate.cv is None:
        return ""
    return ranked_in_words(lock.surrogate.cv.spearman, lock.surrogate.runs)


def ranked_in_words(spearman: Decimal | None, runs: int) -> str:
    """`weak_in_words` of a cross-validated rank correlation over so many runs; empty without one."""
    most = rank_by_chance(runs)
    if spearman is None or spearman > most:
        return ""
    rank = f"{spearman:.3f}".replace("-", "−")
    luck = f"; chance reaches {most:.2f} in one of twenty swarms of {runs}" if spearman > 0 else ""
    return (
        f"these laws rank unseen runs no better than chance (rank correlation {rank}{luck}), and the mix rests on "
        "them: more runs, or runs that tell mixtures apart, would say more"
    )


def spikes_in_words(lock: Lock) -> str:
    """Which runs were left out as loss spikes; empty where none was."""
    if not lock.spiked:
        return ""
    named = ", ".join(run_name(run) for run in lock.spiked[:_NAMED])
    more = f" and {len(lock.spiked) - _NAMED} more lie" if len(lock.spiked) > _NAMED else " lie"
    lie = " lies" if len(lock.spiked) == 1 else more
    return f"left out: {named}{lie} far above what all other runs say, as after a loss spike (`olmixctl runs show RUN`)"


def change_in_words(found: LockedConfidence, unit: str, *, worst_case: bool = False) -> str:
    """Whether the predicted change of the objective is more than noise; empty where nothing is compared.

    Args:
        found: what the lock says.
        unit: of losses.
        worst_case: the objective is the worst family's change, which stands in no table of predictions.
    """
    if found.change is None:
        return ""
    sign = "−" if found.change < 0 else "+"
    where = _below(found) if found.below_noise else "is above run-to-run noise"
    objective = "the objective, the worst family's change from the reference mix," if worst_case else "the objective"
    both = _both("previous", found.better_than_previous) if found.below_noise and not worst_case else ""
    return (
        f"this change {where}: {objective} is predicted to move by {sign}{_small(found.change)} {unit}, and "
        f"{_noise_of_two(found)}{both}"
    )


def worse_in_words(found: LockedConfidence, unit: str, *, worst_case: bool = False) -> str:
    """Why the mix is predicted worse than the one before, where it is; empty where it is not, or not said.

    Args:
        found: what the lock says.
        unit: of losses.
        worst_case: it is the worst family's change from the reference mix that is worse, and not the mean loss.
    """
    if found.change is None or found.change < _LEVEL or found.pull is None:
        return ""
    reasons = []
    if found.breaks:
        more = f" and {len(found.breaks) - _NAMED} more" if len(found.breaks) > _NAMED else ""
        reasons.append(f"the previous mix breaks {', '.join(found.breaks[:_NAMED])}{more}")
    if found.change + found.pull < _LEVEL:
        reasons.append(f"the pull to the reference (kl) weighs more: it is {_small(found.pull)} lower here")
    # Only a search among many minima can end above a mix that keeps every bound.
    why = ", and ".join(reasons) or "a local search under laws that are not convex did not reach the previous mix"
    what = "the predicted change of the worst family" if worst_case else "predicted loss"
    return f"{what} is {_small(found.change)} {unit} above the previous mix's by the same laws: {why}"


def noise_in_words(found: LockedConfidence, unit: str) -> str:
    """How large the noise is, and how that is known."""
    noise = found.noise
    if noise.basis == "replicates":
        freedom = "degree" if noise.degrees == 1 else "degrees"
        return (
            f"run-to-run noise of the objective {_small(noise.run)} {unit}, measured on runs of one mixture "
            f"({noise.degrees} {freedom} of freedom)"
        )
    return (
        f"run-to-run noise of the objective at most {_small(noise.run)} {unit}: no mixture has two runs, so errors on "
        f"{plural(noise.degrees, 'run')} that the laws had not seen bound it"
    )


def _two_runs(size: str, *, measured: bool) -> str:
    """What two runs of one mixture differ by: as measured, or the most that it can be."""
    if measured:
        return f"two runs of one mixture differ by {size} in one of ten cases"
    return f"two runs of one mixture differ by at most {size} in nine of ten cases (a bound: no mixture has two runs)"


def ends_in_percent(ends: Ends | None) -> str:
    """`5.10 – 8.30`, the ends of an interval of shares in percent; empty without one."""
    return "" if ends is None else " – ".join(f"{float(end) * 100:.2f}" for end in ends)


def _small(value: Decimal | float) -> str:
    """Four decimals, or two digits where there are none in them."""
    size = abs(float(value))
    return bits(size) if size >= 5e-4 or size == 0 else f"{size:.6f}"


def base_in_words(confidence: Mapping[str, Any], serial: int, unit: str) -> str:
    """What a plan says of the lock it starts from: how sure that is, and which changes would be noise.

    Args:
        confidence: as plans and locks have it in JSON.
        serial: of the lock.
        unit: of losses.
    """
    sure, noise = confidence["better_than"]["natural"], confidence["noise"]
    better = "" if sure is None else f"serial {serial} is better than natural with P {sure:.2f}; "
    measured = noise["basis"] == "replicates"
    is_noise = "is run-to-run noise" if measured else "cannot be told from run-to-run noise"
    size = _small(noise["two_runs"])
    two = _two_runs("that much" if measured else size, measured=measured)
    return f"{better}a change of the objective below {size} {unit} {is_noise}: {two}"
