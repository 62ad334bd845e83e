from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_SOURCE = Path(__file__).parent / "corpora" / "synthetic_timit.py"


@pytest.fixture(scope="session")
def synthetic_timit() -> Callable[..., Path]:
    """`synthetic_timit(folder, full=False, lower=False, ...)` writes a tree of TIMIT's shape."""
    specification = importlib.util.spec_from_file_location("synthetic_timit", _SOURCE)
    assert specification is not None
    assert specification.loader is not None
    module: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    write: Callable[..., Path] = module.write_synthetic_timit
    return write
