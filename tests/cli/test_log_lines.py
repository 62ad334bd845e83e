from __future__ import annotations

import logging

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


def test_a_closed_pipe_ends_the_command(monkeypatch):
    class Closed:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

        def flush(self) -> None: ...

    show_log(quiet=False)
    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(BrokenPipeError):
        LOGGER.info("epoch 3")
