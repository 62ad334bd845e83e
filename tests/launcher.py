"""Starts `cnn-mellin` in several processes as torchrun does, but in a second: a process that has torch loaded forks.

    python launcher.py SIZES ARGUMENTS

runs the command with each number of processes, such as 1,2,4, one after another; `{}` in an argument becomes the
number. It prints `processes PID PID ...` before each, and at the end all exit statuses as a JSON list of lists. Where
torchrun ends all processes when one has failed, this waits for them, so that a test sees that they end by themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from importlib import import_module

import torch

from cnn_mellin.cli.main import main


def run(size: int, arguments: list[str]) -> list[int]:
    """Exit statuses of the processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(size):
        child = os.fork()
        if not child:
            os._exit(child_status(rank, size, port, arguments))
        children.append(child)
    print("processes", *children, flush=True)
    # The store is the launcher's, as torchrun's is: it outlives process 0.
    store = torch.distributed.TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    del store
    return statuses


def child_status(rank: int, size: int, port: int, arguments: list[str]) -> int:
    """Exit status of one process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    for name in ("cnn_mellin.cli.train", "cnn_mellin.search.hyperparameter_search", "matplotlib.figure"):
        with contextlib.suppress(ImportError):  # of an extra
            import_module(name)
    torch.set_num_threads(1)
    found = [run(int(size), [text.replace("{}", size) for text in sys.argv[2:]]) for size in sys.argv[1].split(",")]
    print(json.dumps(found), flush=True)
