from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from cnn_mellin.training.lifeline import Lifeline, LifelineListener, reach_listener


@pytest.fixture
def ends() -> tuple[Lifeline, list[Lifeline]]:
    """The lifeline of a process with two others, and those of the two."""
    listener = LifelineListener(2)
    with socket.create_connection(("127.0.0.1", listener.port)) as stranger:
        stranger.sendall(b"x" * 16)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(listener.wait)
            others = [reach_listener("127.0.0.1", listener.port, listener.token) for _ in range(2)]
            lifeline = waiting.result(30)
    return lifeline, others


@pytest.mark.parametrize("closed", [0, 1])
def test_a_lifeline_is_cut_when_a_process_at_another_end_closes_it_and_strangers_do_not_count(ends, closed):
    lifeline, others = ends
    assert not lifeline.is_cut()
    assert not any(other.is_cut() for other in others)
    others[closed].close()
    assert lifeline.is_cut()
    lifeline.close()
    assert others[1 - closed].is_cut()
    others[1 - closed].close()


def test_nobody_listens(free_port):
    with pytest.raises(ConnectionRefusedError):
        reach_listener("127.0.0.1", free_port, bytes(16))
