"""The lock file: exact versions with digests, for every system, that agree with constraints.txt and pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINNED = {
    canonicalize_name(name): version
    for name, _, version in (
        line.partition("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    )
    if version
}
# Libraries of torch's build for NVIDIA GPUs, and a package for Windows: the tests run without them.
OF_OTHER_SYSTEMS = re.compile(r"cuda-.*|nvidia-.*|triton|setuptools|pyreadline3")


def locked() -> dict[NormalizedName, tuple[Requirement, list[str]]]:
    """Name -> requirement and digests."""
    entries: dict[NormalizedName, tuple[Requirement, list[str]]] = {}
    for entry in LOCK.replace("\\\n", " ").splitlines():
        if not entry.startswith("#"):
            text, *digests = entry.split("--hash=")
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            assert name not in entries
            entries[name] = (requirement, [digest.strip() for digest in digests])
    return entries


def test_each_package_has_one_version_and_digests():
    for name, (requirement, digests) in locked().items():
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], name
        assert digests, name
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in digests), name


def test_versions_are_those_that_the_tests_run_with():
    unknown = []
    for name, (requirement, _) in locked().items():
        if name in PINNED:
            assert str(requirement.specifier) == f"=={PINNED[name]}"
        elif not OF_OTHER_SYSTEMS.fullmatch(name):
            unknown.append(name)
    assert unknown == []


def test_what_the_program_and_its_two_extras_require_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"], *extras["demo"], *extras["search"], *extras["report"], *extras["workflow"]]
    found = locked()
    for requirement in map(Requirement, required):
        if requirement.name != "cnn-mellin":
            (version,) = found[canonicalize_name(requirement.name)][0].specifier
            assert requirement.specifier.contains(version.version), requirement


def test_it_names_no_index():
    assert "://" not in LOCK
