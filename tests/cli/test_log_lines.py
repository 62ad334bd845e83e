from __future__ import annotations

import logging
import re

import pytest

from cnn_mellin.cli.log_lines import show_log

LOGGER = logging.getLogger("cnn_mellin.somewhere")


def test_news_go_to_standard_output_and_problems_to_standard_error(capsys):
    for _ in range(2):  # a second call adds no second line
        show_log(quiet=False)
    LOGGER.info("epoch %d", 3)
    LOGGER.warning("left out\na batch")
    assert capsys.readouterr() == ("epoch 3\n", "cnn-mellin: left out a batch\n")


def test_quiet_leaves_problems(capsys):
    show_log(quiet=True)
    LOGGER.info("epoch 3")
    LOGGER.warning("left out")
    assert capsys.readouterr() == ("", "cnn-mellin: left out\n")


def test_verbose_adds_details_on_standard_error_and_times(capsys):
    show_log(quiet=False, verbose=True)
    LOGGER.debug("read")
    LOGGER.info("epoch 3")
    LOGGER.warning("left out")
    printed = capsys.readouterr()
    at = r"\d\d:\d\d:\d\d"
    assert re.fullmatch(rf"{at} epoch 3\n", printed.out)
    assert re.fullmatch(rf"{at} read\n{at} cnn-mellin: left out\n", printed.err)
    show_log(quiet=False)
    LOGGER.debug("read")
    LOGGER.info("epoch 4")
    assert capsys.readouterr() == ("epoch 4\n", "")


def test_a_closed_pipe_ends_the_command(monkeypatch):
    class Closed:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

        def flush(self) -> None: ...

    show_log(quiet=False)
    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(BrokenPipeError):
        LOGGER.info("epoch 3")
