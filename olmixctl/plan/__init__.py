"""What changed, what that needs, what it costs: a value, made without torch, solver or files."""

from __future__ import annotations

from olmixctl.plan.build import Design, PlanOptions, build_plan
from olmixctl.plan.model import Change, Check, Observed, Plan, PlannedRun
from olmixctl.plan.steps import steps_of

__all__ = ["Change", "Check", "Design", "Observed", "Plan", "PlanOptions", "PlannedRun", "build_plan", "steps_of"]
