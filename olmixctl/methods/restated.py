"""What a lock states of its own solve, computed again from the evidence and compared.

Two tolerances. Numbers of order one that were written with six to nine decimals agree within `NUMBERS`: another
processor's last digits move them by far less, and a changed digit moves them by more. Weights agree within `POINTS`
millionths, because rounding may fall to the other side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from olmixctl.errors import InfeasibleError
from olmixctl.lock.model import CrossValidation, Lock, LockedMetric, LockedSolution, LockedSurrogate
from olmixctl.methods.checks import VerifyCheck
from olmixctl.methods.laws import Fitted, best_near, certified, convex_at, objective_of
from olmixctl.methods.olmix import convex_answer, fitted_problem, solve_mix
from olmixctl.methods.record import predicted_of, solution_of, surrogate_of
from olmixctl.methods.steady import masses
from olmixctl.mixture import GRID
from olmixctl.plan.model import Observed
from olmixctl.report.numbers import plural
from olmixctl.solve.certificate import ROUNDED_TOLERANCE, Certificate
from olmixctl.solve.exact import CLARABEL, INTERIOR, Solution, SolveError
from olmixctl.solve.local import LOCAL
from olmixctl.solve.problem import MixProblem
from olmixctl.solve.round import round_solution
from olmixctl.surrogate.choice import AUTO, best_of, reason_for
from olmixctl.surrogate.model import is_digest_of, parameters_digest

__all__ = ["NUMBERS", "POINTS", "restated"]

NUMBERS = Decimal("0.000002")
"""Bits per byte, objective, multipliers (those above one: of their size), correlations."""
POINTS = 5
"""Millionths of weight."""

_BORDER = 0.03
"""Parts of a rounding step: another processor's digits move a parameter by at most this, a hundred-millionth of its
scale where six digits are kept."""
_SOLVERS = (CLARABEL, INTERIOR)
"""Who may give the verdict when a mix is solved; here only the digits are found again."""


def restated(
    lock: Lock, observed: Observed, fitted: Fitted, before: Mapping[str, float] | None
) -> Iterator[VerifyCheck]:
    """Laws, optimum, weights, solution and predictions of a solved lock.

    Args:
        lock: what is stated.
        observed: the mix file over the data as the lock states it.
        fitted: the laws, refitted.
        before: the mix of the lock before over domains, under their present names; None where it is not known.
    """
    problem = fitted_problem(observed, lock.coordinates, fitted)
    mix = masses(lock.coordinates, lock.weights).as_mixture()
    certificate = certified(problem, fitted, mix)
    convex = convex_answer(observed, lock.coordinates, fitted)
    at_convex = None if convex is None else objective_of(problem, fitted, convex)
    optimal = _optimality(certificate, fitted, at_convex)
    predicted = _predicted(lock, observed, fitted, before)
    yield _laws(lock, observed, fitted, agree=bool(predicted.ok and optimal.ok))
    yield optimal
    try:
        if lock.solution.weights_from is None:
            best = best_near(problem, fitted, [mix])
        else:
            best = solve_mix(observed, lock.coordinates, fitted, committed=lock.weights).solution
    except (InfeasibleError, SolveError) as error:
        yield VerifyCheck(name="weights", ok=False, detail=f"the mix cannot be solved again: {error.message}")
        return
    yield _weights(lock, problem, fitted, best)
    yield _solution(lock.solution, best, certificate, at_convex)
    yield predicted


def _optimality(certificate: Certificate, fitted: Fitted, at_convex: float | None) -> VerifyCheck:
    """The certificate of the recorded weights; of laws that are not convex it proves less, and the detail says so."""
    gap, off = max(certificate.gap, 0.0), f"bounds off by {certificate.primal:.1e}"
    if certificate.forced:
        off = f"of which whole millionths inside the bounds force {certificate.forced:.1e}, {off}"
    if fitted.guide is None:
        detail = f"within {gap:.1e} of the optimum, {off}"
        return VerifyCheck(name="optimality", ok=certificate.ok, detail=detail)
    if at_convex is not None and certificate.objective > at_convex + ROUNDED_TOLERANCE + certificate.forced:
        worse = certificate.objective - at_convex
        detail = f"the answer of the convex laws is better by {worse:.1e} under these laws"
        return VerifyCheck(name="optimality", ok=False, detail=detail)
    beside = "" if at_convex is None else ", not worse than the convex answer"
    detail = f"a local optimum: no step down promises more than {gap:.1e}, {off}{beside}"
    return VerifyCheck(name="optimality", ok=certificate.ok, detail=detail)


def _laws(lock: Lock, observed: Observed, fitted: Fitted, *, agree: bool) -> VerifyCheck:
    """Family, parameters, number of runs and cross-validation. `agree`: what follows from the laws is as stated."""
    stated = lock.surrogate
    if stated is None:
        return VerifyCheck(name="surrogate", ok=False, detail="runs stand behind the lock, and no laws")
    # Locks that state no errors of the metrics were made when laws were judged by the mean alone.
    former = stated.cv is not None and stated.cv.mean_rmse is None
    found = surrogate_of(observed, fitted, of_mean=former)
    wrong = []
    if stated.family != found.family:
        wrong.append(f"family {stated.family}, found {found.family}")
    if stated.runs != found.runs:
        wrong.append(f"fitted on {stated.runs} runs, found {found.runs}")
    if (stated.cv is None) != (found.cv is None):
        wrong.append("cross-validation")
    elif stated.cv is not None and found.cv is not None:
        wrong += _misjudged(stated.cv, found.cv)
    if wrong:
        return VerifyCheck(name="surrogate", ok=False, detail=f"a refit gives other parameters: {'; '.join(wrong)}")
    misstated = _choice_problem(
        stated, observed.spec.surrogate, worst_case=observed.spec.objective.worst_case and not former
    )
    if misstated:
        return VerifyCheck(name="surrogate", ok=False, detail=misstated)
    if stated.digest == parameters_digest(fitted.fit):
        return VerifyCheck(name="surrogate", ok=True, detail=f"{found.family} refitted, same parameters")
    agree = agree and is_digest_of(fitted.fit, stated.digest, _BORDER)
    detail = (
        "same laws within tolerance: last digits of another processor" if agree else "a refit gives other parameters"
    )
    return VerifyCheck(name="surrogate", ok=agree, detail=detail)


def _misjudged(stated: CrossValidation, found: CrossValidation) -> Iterator[str]:
    """What is stated of predictions of unseen runs and is not so; the errors of the metrics stand in newer locks."""
    for name in ("spearman", "rmse", "mean_rmse"):
        a, b = getattr(stated, name), getattr(found, name)
        if a is not None and b is not None and _differ(a, b):
            yield f"cv.{name} {a}, found {b}"


def _choice_problem(stated: LockedSurrogate, declared: str, *, worst_case: bool = False) -> str:
    """What is wrong with the reason for the family; empty when nothing is. The other families are not fitted again."""
    choice = stated.choice
    if declared != AUTO:
        return "" if choice is None else "a choice is recorded, and the family is declared"
    if choice is None:
        # Locks from before there was a choice.
        return "" if stated.family == "log_linear" else f"nothing says why the family is {stated.family}"
    if not choice.scores:
        return "" if stated.family == "log_linear" else f"no family was compared, and it is {stated.family}"
    if choice.scores.get(stated.family) != stated.cv:
        return f"the score of {stated.family} is not its cross-validation"
    if (
        best_of(choice.scores, stated.runs) != stated.family
        or reason_for(stated.family, choice.scores, worst_case=worst_case) != choice.reason
    ):
        return f"the recorded scores do not say {stated.family}, or not for this reason"
    return ""


def _weights(lock: Lock, problem: MixProblem, fitted: Fitted, best: Solution) -> VerifyCheck:
    """The recorded weights are the optimum, rounded; unless they are said to stand from an earlier lock."""
    if lock.solution.weights_from is not None:
        detail = f"those of serial {lock.solution.weights_from}, still optimal within tolerance"
        return VerifyCheck(name="weights", ok=True, detail=detail)
    if problem.kl == 0:
        # Without KL the optimum may be a face; optimality is then all there is to check.
        return VerifyCheck(name="weights", ok=True, detail="one of the optimal mixes: without KL there may be several")
    rounded = round_solution(problem, best.point, convex_at(problem, fitted, best.point)).leaves
    moved = {d: points - rounded[d] for d, points in lock.weights.items() if abs(points - rounded[d]) > POINTS}
    worst = max(moved, key=lambda d: (abs(moved[d]), d), default="")
    which = "local optimum, found" if best.status == "local" else "optimum, solved"
    detail = f"the {which} again and rounded"
    if moved:
        share = rounded[worst] / GRID
        detail = f"{worst} is {lock.weights[worst] / GRID:.6f}, and the optimum has {share:.6f}"
    return VerifyCheck(name="weights", ok=not moved, detail=detail)


def _solution(stated: LockedSolution, best: Solution, certificate: Certificate, at_convex: float | None) -> VerifyCheck:
    found = solution_of(best, certificate, at_convex)
    wrong = [] if stated.solver in ((LOCAL,) if found.status == "local" else _SOLVERS) else [f"solver {stated.solver}"]
    wrong += [] if stated.status == found.status else [f"status {stated.status}, found {found.status}"]
    for name in ("objective", "objective_at_rounded", "objective_at_convex"):
        a, b = getattr(stated, name), getattr(found, name)
        if (a is None) != (b is None) or (a is not None and _differ(a, b)):
            wrong.append(f"{name} {a}, found {b}")
    if set(stated.residuals) != set(found.residuals):
        wrong.append("residuals are not primal, dual and gap")
    else:
        both = ((name, stated.residuals[name], value) for name, value in found.residuals.items())
        wrong += [f"residuals.{name} {a}, found {b}" for name, a, b in both if _differ(a, b)]
    wrong += _active(stated, found)
    detail = f"misstated: {'; '.join(wrong)}" if wrong else "objective, residuals and active bounds, as found again"
    return VerifyCheck(name="solution", ok=not wrong, detail=detail)


def _active(stated: LockedSolution, found: LockedSolution) -> list[str]:
    """Multipliers that differ; one that is absent is zero."""
    a = {bound.constraint: bound.multiplier for bound in stated.active}
    b = {bound.constraint: bound.multiplier for bound in found.active}
    if len(a) < len(stated.active):
        return ["an active bound stands twice"]
    zero = Decimal(0)
    return [
        f"multiplier of {name} {a.get(name, zero)}, found {b.get(name, zero)}"
        for name in sorted({*a, *b})
        if _differ(a.get(name, zero), b.get(name, zero))
    ]


def _predicted(lock: Lock, observed: Observed, fitted: Fitted, before: Mapping[str, float] | None) -> VerifyCheck:
    found = predicted_of(observed, lock.coordinates, fitted, masses(lock.coordinates, lock.weights), before)
    # What the mix before is predicted to measure needs that mix; where it is not at hand its column is left alone.
    alone = before is None and bool(lock.parents)
    wrong = ["other metrics than the laws'"] if set(found) != set(lock.predicted) else []
    for name in sorted(set(found) & set(lock.predicted)):
        columns = ("natural", "this") if alone else ("natural", "previous", "this")
        wrong += [
            f"{name} {text}" for column in columns if (text := _column(lock.predicted[name], found[name], column))
        ]
    rest = "; `previous` is not checked without the lock before" if alone else ""
    detail = f"misstated: {'; '.join(wrong)}" if wrong else f"{plural(len(found), 'metric')}, as predicted again{rest}"
    return VerifyCheck(name="predicted", ok=not wrong, detail=detail)


def _column(stated: LockedMetric, found: LockedMetric, column: str) -> str:
    a, b = getattr(stated, column), getattr(found, column)
    same = a is b if a is None or b is None else not _differ(a, b)
    return "" if same else f"{column} {a}, found {b}"


def _differ(a: Decimal, b: Decimal) -> bool:
    return abs(a - b) > NUMBERS * max(Decimal(1), abs(b))
