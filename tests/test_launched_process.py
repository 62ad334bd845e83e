import pytest

from cnn_mellin.errors import SettingsError
from cnn_mellin.launched_process import LaunchedProcess, launched_process

PLACE = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.fixture
def launched(monkeypatch) -> pytest.MonkeyPatch:
    for name, value in PLACE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_launcher_says_which_process_this_is(launched):
    assert launched_process() == LaunchedProcess(rank=3, size=4, local_rank=1)


@pytest.mark.parametrize("name", PLACE)
def test_an_incomplete_environment_means_one_process(launched, name):
    launched.delenv(name)
    assert launched_process() == LaunchedProcess()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "x", "RANK is 'x'; it must be a whole number"),
        ("WORLD_SIZE", "-2", "WORLD_SIZE is '-2'; it must be a whole number"),
        ("RANK", "4", "RANK is 4; it must be below WORLD_SIZE, 4"),
    ],
)
def test_impossible_places_are_named(launched, name, value, message):
    launched.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        launched_process()
