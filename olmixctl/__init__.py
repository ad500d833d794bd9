"""Declarative data mixtures for language-model pretraining."""

from __future__ import annotations
