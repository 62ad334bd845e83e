"""NIST's scoring toolkit, where it is installed."""

import shutil

import pytest


def nist_command(tool: str) -> list[str]:
    if shutil.which(tool):
        return [tool]
    if shutil.which("sctk"):  # Debian's package has one command for all of its tools
        return ["sctk", tool]
    pytest.skip(f"{tool} is missing (NIST's scoring toolkit; Debian package sctk)")


@pytest.fixture
def sclite() -> list[str]:
    return nist_command("sclite")


@pytest.fixture
def sc_stats() -> list[str]:
    return nist_command("sc_stats")
