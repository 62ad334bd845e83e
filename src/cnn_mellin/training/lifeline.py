"""Connections between processes that only show whether the others are alive.

When a process dies, its operating system closes its connections, which the process at the other end sees at once.
Gloo sees that, too, but not always: an operation that begins just after another process has died may wait for ever.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
import time
from collections.abc import Sequence

__all__ = ["Lifeline", "LifelineListener", "reach_listener"]

_TOKEN_BYTES = 16
_PATIENCE_S = 300.0
# A machine that has lost its power or network closes nothing: its silence is noticed after about two minutes.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class Lifeline:
    """Open connections of this process to others, over which nothing is sent.

    Args:
        connections: connected sockets, which the lifeline closes at its end.

    >>> here, there = socket.socketpair()
    >>> lifeline = Lifeline([here])
    >>> lifeline.is_cut()
    False
    >>> there.close()
    >>> lifeline.is_cut()
    True
    >>> lifeline.close()
    """

    def __init__(self, connections: Sequence[socket.socket]) -> None:
        self._connections = list(connections)
        for connection in self._connections:
            connection.setblocking(False)
            if connection.family in (socket.AF_INET, socket.AF_INET6):
                _keep_alive(connection)

    def is_cut(self) -> bool:
        """Check whether a process at the other end of a connection has ended, or cannot be reached any more."""
        return any(map(_is_closed, self._connections))

    def close(self) -> None:
        """Close the connections, which the processes at their other ends take for the end of this one."""
        for connection in self._connections:
            connection.close()
        self._connections = []


class LifelineListener:
    """Waits for the connections of a number of other processes, which must know the token.

    Args:
        number: number of processes that will connect.

    Attributes:
        port: port to connect to, on this machine.
        token: what each process sends first.

    Raises:
        OSError: this machine cannot listen.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        self._server = socket.create_server(("", 0), family=family, dualstack_ipv6=both, backlog=number)
        self.port: int = self._server.getsockname()[1]
        self.token = secrets.token_bytes(_TOKEN_BYTES)

    def wait(self) -> Lifeline:
        """Wait until all have connected.

        Raises:
            OSError: not all have connected within five minutes.
        """
        connections: list[socket.socket] = []
        ends = time.monotonic() + _PATIENCE_S
        with self._server:
            while len(connections) < self._number:
                self._server.settimeout(max(0.001, ends - time.monotonic()))
                connection, _ = self._server.accept()
                if self._is_one_of_us(connection):
                    connections.append(connection)
                else:
                    connection.close()
        return Lifeline(connections)

    def _is_one_of_us(self, connection: socket.socket) -> bool:
        """Check whether a process has sent the token, for which it has five seconds."""
        connection.settimeout(5.0)
        received = b""
        with contextlib.suppress(OSError):
            while len(received) < _TOKEN_BYTES and (piece := connection.recv(_TOKEN_BYTES - len(received))):
                received += piece
        return hmac.compare_digest(received, self.token)


def reach_listener(host: str, port: int, token: bytes) -> Lifeline:
    """Connect with the process that listens.

    Args:
        host: name or address of its machine.
        port: port of its `LifelineListener`.
        token: token of its `LifelineListener`.

    Raises:
        OSError: it cannot be reached.
    """
    connection = socket.create_connection((host, port), timeout=_PATIENCE_S)
    connection.sendall(token)
    return Lifeline([connection])


def _is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):  # not on every system
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
