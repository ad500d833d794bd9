"""Declarative data mixtures for language-model pretraining."""

from __future__ import annotations

__version__ = "0.1.0"
