from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache is a folder of this run, here and in the processes that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def synthetic_timit() -> Callable[..., Path]:
    """`synthetic_timit(folder, full=False, lower=False, ...)` writes a tree of TIMIT's shape."""
    write: Callable[..., Path] = _module(_HERE / "corpora" / "synthetic_timit.py").write_synthetic_timit
    return write


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Any]:
    """A PostgreSQL of `database_servers.py`: `new_database(name)` gives a URL, `url(name, driver=)` another form."""
    servers = _module(_HERE / "database_servers.py")
    with servers.running(servers.PostgreSQL) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Any]:
    """A MariaDB of `database_servers.py`: `new_database(name)` gives a URL."""
    servers = _module(_HERE / "database_servers.py")
    with servers.running(servers.MariaDB) as server:
        yield server


def _module(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
