from __future__ import annotations

import pytest
from locks import make_lock


@pytest.fixture
def lock():
    return make_lock({"code": 0.25, "web/health": 0.15, "web/science": 0.6})
