"""Which mixtures to try: the swarm of proxy runs. numpy only; nothing here reads files or trains."""

from __future__ import annotations

from olmixctl.swarm.dirichlet import draw_swarm
from olmixctl.swarm.informative import choose, draw_informative
from olmixctl.swarm.model import SwarmProblem

__all__ = ["SwarmProblem", "choose", "draw_informative", "draw_swarm"]
