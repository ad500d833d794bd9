"""Metrics → mixture: the convex program, its exact solution, its proof, and its rounding."""

from __future__ import annotations

from olmixctl.solve.certificate import EXACT_TOLERANCE, ROUNDED_TOLERANCE, Certificate, certify
from olmixctl.solve.exact import Solution, SolveError, optimum, quick_optimum, solve
from olmixctl.solve.feasible import check_feasible
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem, WorstCase, block_cap, cap_rows, caps
from olmixctl.solve.program import objective_at
from olmixctl.solve.project import project
from olmixctl.solve.round import Rounded, round_solution

__all__ = [
    "EXACT_TOLERANCE",
    "ROUNDED_TOLERANCE",
    "Certificate",
    "ConvexMetric",
    "LinearBound",
    "MixProblem",
    "Rounded",
    "Solution",
    "SolveError",
    "WorstCase",
    "block_cap",
    "cap_rows",
    "caps",
    "certify",
    "check_feasible",
    "objective_at",
    "optimum",
    "project",
    "quick_optimum",
    "round_solution",
    "solve",
]
