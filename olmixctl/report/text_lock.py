"""A lock as text: the mix beside the natural one, what holds each weight, what it predicts, what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from olmixctl.ledger.model import is_adopted
from olmixctl.lock.model import ActiveBound, Lock, LockedMetric
from olmixctl.mixture import GRID
from olmixctl.plan.model import is_rehearsal
from olmixctl.report.look import Cell, Column, Look, Row, Tone, bar, heading, left_out, page, table, wrapped
from olmixctl.report.numbers import NONE, bits, count, factor, loss_unit, percent, plural, short
from olmixctl.report.text_confidence import (
    chances_in_words,
    change_in_words,
    doubt_in_words,
    ends_in_percent,
    gain_in_words,
    noise_in_words,
    spikes_in_words,
    unknown_chance_in_words,
    weak_in_words,
    worse_in_words,
)
from olmixctl.report.text_rounds import stopped_in_words
from olmixctl.spec.families import recorded_families

__all__ = ["lock_text", "marks_of", "natural_weights"]

_BAR = 12
_OF_SEVERAL = ("constraint", "max_ratio", "min_ratio", "ratio")
_FAMILY = "family:"
_BOUNDS = {"max_repetition": "cap", "max": "max", "min": "min"}


def lock_text(lock: Lock, look: Look) -> str:
    """A lock for a person."""
    sections = (_title, _weights, _predicted, _sure, _behind)
    return page([section(lock, look) for section in sections])


def natural_weights(lock: Lock) -> dict[str, float]:
    """The mix in proportion to the tokens there are."""
    total = sum(domain.tokens for domain in lock.domains.values())
    return {name: domain.tokens / total if total else 0.0 for name, domain in lock.domains.items()}


def marks_of(lock: Lock) -> dict[str, str]:
    """Domain → what holds its weight: active bounds, a kept ratio, protection."""
    marks: dict[str, list[str]] = {name: [] for name in lock.domains}
    for bound in lock.solution.active:
        kind, _, subject = bound.constraint.partition(":")
        if kind in _OF_SEVERAL:
            declared = lock.inputs.get("constraints", {}).get(subject, {})
            for name in [*declared.get("domains", ()), *declared.get("of", ()), *declared.get("to", ())]:
                marks.get(name, []).append(f"in {subject}")
        elif kind in _BOUNDS and subject in marks:
            marks[subject].append(f"at {_BOUNDS[kind]}")
    for name, domain in lock.domains.items():
        marks[name] += ["kept"] if domain.block else []
        marks[name] += ["protected"] if domain.protected else []
    return {name: ", ".join(words) for name, words in marks.items()}


def _title(lock: Lock, look: Look) -> list[str]:
    target = lock.inputs.get("target", {})
    remark = f"lock serial {lock.serial}, {plural(len(lock.domains), 'domain')}"
    if "tokens" in target:
        passes = target.get("max_repetition")
        limit = "" if passes is None else f", at most {passes:g} passes"
        remark += f", for {count(target['tokens'])} tokens{limit}"
    return [heading(lock.name, look, remark)]


def _weights(lock: Lock, look: Look) -> list[str]:
    natural, marks = natural_weights(lock), marks_of(lock)
    greatest = max(lock.weights.values())
    rows: list[Row] = []
    for name, points in sorted(lock.weights.items(), key=lambda item: (-item[1], item[0])):
        domain, was = lock.domains[name], natural[name]
        times = points / GRID / was if was else None
        rows.append(
            [
                Cell(name, "plain" if points else "faint"),
                Cell(percent(points / GRID), "strong" if points else "faint"),
                Cell(ends_in_percent(lock.uncertainty.get(name)), "faint"),
                Cell(bar(points, greatest, _BAR), "key"),
                percent(was),
                Cell(NONE if times is None else factor(times), _tone(times)),
                count(domain.tokens),
                f"{domain.repetition:.2f}",
                Cell(marks[name], "care" if marks[name].startswith(("at ", "in ")) else "faint"),
            ]
        )
    columns = [
        Column("domain"),
        Column("weight", right=True),
        # What the runs promise goes last, what can be read elsewhere first.
        Column("in 9 of 10", right=True, optional=1),
        Column("", optional=5),
        Column("natural", right=True),
        Column("ratio", right=True, optional=2),
        Column("tokens", right=True, optional=4),
        Column("passes", right=True, optional=3),
        Column("held"),
    ]
    lines = table(columns, rows, look, indent=0)
    return [*lines, *left_out(columns, rows, lines, look)]


def _tone(times: float | None) -> Tone:
    if times is None:
        return "faint"
    return "good" if times > 1.25 else "care" if times < 0.8 else "plain"


def _predicted(lock: Lock, look: Look) -> list[str]:
    if not lock.predicted:
        return []
    metrics = [*lock.predicted.items(), *_means(lock)]
    weights = _weights_in_objective(lock)
    # A mix that was solved around a kept block has no prediction for the natural mix; the previous one then compares.
    known = any(m.natural is not None for _, m in metrics)
    rows: list[Row] = []
    for name, m in metrics:
        gain = _gain(m.natural if known else m.previous, m.this)
        weight = f"{weights[name]:g}" if name in weights else ""
        ends = Cell("" if m.interval is None else " – ".join(_bits(end) for end in m.interval), "faint")
        rows.append([name, weight, _bits(m.natural), _bits(m.previous), Cell(_bits(m.this), "strong"), ends, gain])
    columns = [
        Column("metric"),
        Column("weight", right=True, optional=2),
        Column("natural", right=True),
        Column("previous", right=True),
        Column("this", right=True),
        Column("in 9 of 10", right=True, optional=1),
        Column(f"vs {'natural' if known else 'previous'}", right=True),
    ]
    differ = len(set(weights.values())) > 1
    before = any(m.previous is not None for _, m in metrics)
    shown = [0, *([1] if differ else []), *([2] if known else []), *([3] if before else []), 4, 5, 6]
    columns, rows = [columns[i] for i in shown], [[row[i] for i in shown] for row in rows]
    lines = table(columns, rows, look)
    lines += left_out(columns, rows, lines, look)
    trainer = str(lock.inputs.get("trainer", ""))
    whose = "" if is_adopted(trainer) else " of the proxy"
    return [heading("Predicted", look, f"{loss_unit(trainer)}{whose}, less is better"), *lines]


def _weights_in_objective(lock: Lock) -> dict[str, Decimal]:
    """Metric → its weight as declared; metrics that the inputs do not know are left out."""
    declared = lock.inputs.get("evals", {})
    return {name: Decimal(str(declared[name].get("weight", 1))) for name in lock.predicted if name in declared}


def _means(lock: Lock) -> list[tuple[str, LockedMetric]]:
    """The metrics' weighted mean, as the objective has it, or that of each family of several where the worst counts;
    none where there is only one metric, or one whose weight is not known.
    """
    weights = _weights_in_objective(lock)
    if len(lock.predicted) < 2 or set(weights) != set(lock.predicted):
        return []
    if not _worst_counts(lock):
        return [("weighted mean", _mean(lock, weights))]
    several = {name: members for name, members in recorded_families(lock.inputs).items() if len(members) > 1}
    return [
        (f"{name} (family)", _mean(lock, {metric: weights[metric] for metric in members}))
        for name, members in several.items()
        if set(members) <= set(weights)
    ]


def _mean(lock: Lock, weights: Mapping[str, Decimal]) -> LockedMetric:
    counted = {metric: weight for metric, weight in weights.items() if weight}
    rows = [lock.predicted[metric] for metric in counted]
    sides = ([m.natural for m in rows], [m.previous for m in rows], [m.this for m in rows])
    natural, previous, this = (_weighted(side, list(counted.values())) for side in sides)
    return LockedMetric(natural=natural, previous=previous, this=this)


def _objective_gain(lock: Lock) -> Decimal | None:
    """By how much the objective is predicted to be below natural's; None where it is not the mean, or not known."""
    weights = _weights_in_objective(lock)
    if _worst_counts(lock) or set(weights) != set(lock.predicted) or not any(weights.values()):
        return None
    mean = _mean(lock, weights)
    return None if mean.natural is None or mean.this is None else mean.natural - mean.this


def _worst_counts(lock: Lock) -> bool:
    return bool(lock.inputs.get("objective", {}).get("worst_case"))


def _weighted(values: list[Decimal | None], weights: list[Decimal]) -> Decimal | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not weights:
        return None
    return sum((v * w for v, w in zip(known, weights, strict=True)), Decimal(0)) / sum(weights)


def _bits(value: Decimal | None) -> str:
    return NONE if value is None else bits(float(value))


def _gain(natural: Decimal | None, this: Decimal | None) -> Cell:
    if natural is None or this is None or not natural:
        return Cell("")
    change = float(this / natural) - 1
    if abs(change) < 0.00005:
        return Cell("0.00 %")
    text = f"{'−' if change < 0 else '+'}{abs(change) * 100:.2f} %"
    return Cell(text, "good" if change < 0 else "bad")


def _sure(lock: Lock, look: Look) -> list[str]:
    """Chances, change and noise; nothing where the lock does not say."""
    found, unit = lock.confidence, loss_unit(str(lock.inputs.get("trainer", "")))
    if found is None:
        return []
    worst = _worst_counts(lock)
    said = [chances_in_words(found, worst_case=worst), doubt_in_words(found, worst_case=worst)]
    said += [unknown_chance_in_words(lock), change_in_words(found, unit, worst_case=worst)]
    said += [gain_in_words(found, _objective_gain(lock), unit), worse_in_words(found, unit, worst_case=worst)]
    said.append(noise_in_words(found, unit))
    return [heading("How sure", look), *(line for text in said if text for line in wrapped(text, look, hanging=4))]


def _behind(lock: Lock, look: Look) -> list[str]:
    lines = [heading("Behind it", look)]
    stopped = "" if lock.stopped is None else stopped_in_words(lock.stopped)
    for line in (
        _solution(lock),
        _worst(lock),
        _evidence(lock),
        spikes_in_words(lock),
        weak_in_words(lock),
        _choice(lock),
        stopped,
        _active(lock),
        _identity(lock),
    ):
        lines += wrapped(line, look, hanging=4) if line else []
    return lines


def _solution(lock: Lock) -> str:
    match lock.solution.status:
        case "optimal":
            solver = f" by {lock.solution.solver}" if lock.solution.solver else ""
            return f"solved to optimality{solver}{_standing(lock, 'still optimal')}"
        case "local":
            beside, standing = _beside_convex(lock), _standing(lock, "still as good")
            return f"a local optimum of laws that are not convex{beside}{standing}"
        case "kept":
            return "the kept ratios, renormalised: no solve was needed"
        case "projected":
            return "the kept ratios, moved to the nearest mix that meets every bound"
        case "carried":
            return f"carried over without a run: {_unmeasured(lock)} not measured"


def _standing(lock: Lock, how: str) -> str:
    stood = lock.solution.weights_from
    return "" if stood is None else f"; the weights of serial {stood} are {how} and stand"


def _beside_convex(lock: Lock) -> str:
    """What a local optimum gains over the convex answer, or why that is not said."""
    convex, here = lock.solution.objective_at_convex, lock.solution.objective_at_rounded
    if convex is None or here is None:
        return ", the lowest found; the convex answer breaks a guardrail under them"
    gain = float(convex - here)
    unit = loss_unit(str(lock.inputs.get("trainer", "")))
    beside = f"{bits(gain)} {unit} below" if gain >= 5e-5 else "level with"
    return f", the lowest found: {beside} the answer of the convex ones"


def _unmeasured(lock: Lock) -> str:
    free = lock.coordinates.free
    more = f" and {len(free) - 3} more are" if len(free) > 3 else " is" if len(free) == 1 else " are"
    return f"{', '.join(free[:3])}{more}" if free else "its metrics are"


def _evidence(lock: Lock) -> str:
    if lock.surrogate is None:
        return f"{plural(len(lock.evidence), 'run')} of evidence" if lock.evidence else "no runs of its own"
    cv = lock.surrogate.cv
    words = "" if cv is None else f"; cross-validated: rank correlation {cv.spearman:.3f}, error {cv.rmse:.4f}"
    left_out = f", {len(lock.excluded)} left out" if lock.excluded else ""
    trainer = str(lock.inputs.get("trainer", ""))
    warning = "a rehearsal, nothing is measured: " if is_rehearsal(trainer) else ""
    runs = plural(lock.surrogate.runs, "adopted run" if is_adopted(trainer) else "run")
    return f"{warning}{lock.surrogate.family} laws on {runs}{left_out}{words}"


def _choice(lock: Lock) -> str:
    """Why `auto` took the family, and how the others did."""
    if lock.surrogate is None or lock.surrogate.choice is None:
        return ""
    family, choice = lock.surrogate.family, lock.surrogate.choice
    own, others = choice.scores.get(family), {n: found for n, found in choice.scores.items() if n != family}
    ranked = sorted(others.items(), key=lambda item: item[1].rmse)
    beside = "; ".join(f"{name} {found.spearman:.3f}, {found.rmse:.4f}" for name, found in ranked)
    beside = f"rank and error of the others: {beside}" if others else ""
    metrics = sorted((found.mean_rmse, name) for name, found in choice.scores.items() if found.mean_rmse is not None)
    # Where another family's error is less, those of the metrics may be what decided.
    if metrics and own is not None and any(found.rmse < own.rmse for found in others.values()):
        beside += f"; error of the metrics: {', '.join(f'{name} {error:.4f}' for error, name in metrics)}"
    return f"auto took {family}: {choice.reason}{f' ({beside})' if beside else ''}"


def _active(lock: Lock) -> str:
    names = [bound.constraint for bound in _costliest(lock) if not bound.constraint.startswith(_FAMILY)]
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"bounds that hold it, costliest first: {', '.join(names[:6])}{more}" if names else ""


def _worst(lock: Lock) -> str:
    """Where the worst family counts: which it is, or which ones are equally bad."""
    worst = [bound for bound in _costliest(lock) if bound.constraint.startswith(_FAMILY)]
    names = [f"{bound.constraint.removeprefix(_FAMILY)} {bound.multiplier:.2f}" for bound in worst]
    if len(names) > 1:
        return f"solved for the worst family; equally bad, and weighed against each other: {', '.join(names)}"
    return f"solved for the worst family, {worst[0].constraint.removeprefix(_FAMILY)}" if worst else ""


def _costliest(lock: Lock) -> list[ActiveBound]:
    return sorted(lock.solution.active, key=lambda bound: -bound.multiplier)


def _identity(lock: Lock) -> str:
    parents = "".join(f", parent {short(digest)}" for digest in lock.parents)
    return f"lineage {short(lock.lineage)}{parents}, written by olmixctl {lock.tool_version}"
