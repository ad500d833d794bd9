"""Where runs are trained."""

from __future__ import annotations
