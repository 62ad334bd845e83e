import os
import signal

import pytest

from cnn_mellin.training.interruption import StopSignals


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_is_noted_and_the_old_handler_restored(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with StopSignals() as signals:
        assert signals.received is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == name
    assert signal.getsignal(number) == before


def test_one_of_several_that_fails_ignores_sigterm_without_a_gap(monkeypatch):
    before, handlers, install = signal.getsignal(signal.SIGTERM), [], signal.signal

    def record(number, handler):
        if number == signal.SIGTERM:
            handlers.append(handler)
        return install(number, handler)

    monkeypatch.setattr(signal, "signal", record)
    try:
        with pytest.raises(OSError, match="lost"), StopSignals(of_several=True):
            raise OSError("lost")
        assert handlers[1:] == [signal.SIG_IGN]
    finally:
        install(signal.SIGTERM, before)
    with StopSignals(of_several=True):
        pass
    assert signal.getsignal(signal.SIGTERM) == before
