"""A `cnn-mellin` that starts in milliseconds: a process that has torch loaded forks once per command.

    python command_server.py FOLDER

writes the command FOLDER/cnn-mellin, prints a line once the command can be used, and serves until it is terminated.
Each call has its caller's arguments, folder, environment and standard streams, and a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(8) or 1))
"""


def answer(connection: socket.socket) -> int:
    """Run the command of a connection in this process; returns its exit status."""
    from cnn_mellin.cli.main import main

    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    message = b"".join(iter(lambda: connection.recv(65536), b""))
    arguments, folder, environment = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # as they are files or pipes
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    connection.sendall(str(status).encode())
    return status


def serve(folder: Path) -> None:
    """Serve until terminated."""
    from cnn_mellin.cli.main import parser
    from cnn_mellin.training import train  # noqa: F401  # brings torch and most of the package

    parser()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen()
    command = folder / "cnn-mellin"
    command.write_text(CLIENT.format(python=sys.executable, address=str(folder / "socket")))
    command.chmod(0o755)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the commands' processes
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            sys.exit(answer(connection))
        connection.close()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
