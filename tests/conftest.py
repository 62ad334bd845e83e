from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_mellin.corpora.demo import make_demo_corpus

_HERE = Path(__file__).parent


# Fixtures that start programs of system packages (scripts/test_packages.sh); make check needs none of them.
_SERVERS = {"postgresql_server", "mariadb_server", "slurm", "chromium"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with a server of their own as slow."""
    for item in items:
        if _SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use a temporary folder as the user's cache, in this process and its children."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def free_port() -> int:
    """Port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def synthetic_timit() -> Callable[..., Path]:
    """`synthetic_timit(folder, full=False, lower=False, ...)` writes a corpus in TIMIT's layout."""
    write: Callable[..., Path] = _module(_HERE / "corpora" / "synthetic_timit.py").write_synthetic_timit
    return write


@pytest.fixture(scope="session")
def full_timit(synthetic_timit: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic corpus of TIMIT's full size; who changes it restores it."""
    return synthetic_timit(tmp_path_factory.mktemp("full") / "corpus", full=True)


@pytest.fixture(scope="session")
def known_corpora() -> Any:
    """Module `corpora/known_corpora.py`, which writes tiny samples of corpora that are known by name."""
    return _module(_HERE / "corpora" / "known_corpora.py")


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


@pytest.fixture(scope="session")
def chromium() -> Callable[..., Any]:
    """`chromium(profile, *options)`: a context with Chromium, as the `Browser` of `browser.py`."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (scripts/test_packages.sh): the page cannot be opened")
    return partial(_module(_HERE / "browser.py").open_browser, program)


@pytest.fixture(scope="session")
def browser(chromium: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, as the `Browser` of `browser.py`."""
    with chromium(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="session")
def axe() -> str:
    """Program of axe-core, which looks for what readers with disabilities cannot use."""
    path = _HERE.parent / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        pytest.skip("axe-core is not installed (scripts/test_packages.sh, which needs npm)")
    return path.read_text(encoding="utf-8")


@pytest.fixture(
    params=[
        "cpu",
        pytest.param("pretend", marks=pytest.mark.pretend),
        pytest.param("cuda", marks=pytest.mark.cuda),
    ]
)
def device(request: pytest.FixtureRequest) -> str:
    """Each device that a test computes on; the test is skipped on those that this machine or torch lacks."""
    name: str = request.param
    if name == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device is present")
        # Exact products in float32, to be compared with the CPU's.
        request.getfixturevalue("monkeypatch").setattr(torch.backends.cudnn, "allow_tf32", False)
    if name == "pretend":
        request.getfixturevalue("pretend")
    return name


@pytest.fixture(scope="session")
def pretend() -> Any:
    """Module `pretend_accelerator.py`, with its device activated."""
    accelerator = _module(_HERE / "pretend_accelerator.py")
    try:
        accelerator.activate()
    except accelerator.UnsupportedError as reason:
        pytest.skip(str(reason))
    return accelerator


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory) -> Path:
    """Forty utterances of synthesised speech."""
    folder: Path = tmp_path_factory.mktemp("corpus") / "demo"
    make_demo_corpus(folder, 40, 1, jobs=1, quiet=True)
    return folder


@pytest.fixture
def sclite() -> list[str]:
    return _nist_command("sclite")


@pytest.fixture
def sc_stats() -> list[str]:
    return _nist_command("sc_stats")


def _nist_command(tool: str) -> list[str]:
    if shutil.which(tool):
        return [tool]
    if shutil.which("sctk"):  # Debian's package has one command for all of its tools
        return ["sctk", tool]
    pytest.skip(f"{tool} is missing (NIST's scoring toolkit; Debian package sctk)")


def _module(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module  # where dataclasses look for it
    specification.loader.exec_module(module)
    return module
