from __future__ import annotations

import pytest
from workspaces import make_workspace


@pytest.fixture
def root(tmp_path):
    make_workspace(tmp_path)
    return tmp_path
