"""A cluster in miniature: it queues shell scripts, and runs them one after another.

`python shell_queue.py submit FOLDER SCRIPT` queues a script and prints its number; `status FOLDER NUMBER` prints
running, success or failed; `serve FOLDER` runs what is queued until it is terminated.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def submit(folder: Path, script: str) -> str:
    """Queue a script; returns its number."""
    for number in range(1, 1000):
        try:
            (folder / f"{number}.job").touch(exist_ok=False)
        except FileExistsError:
            continue
        (folder / "new").write_bytes(Path(script).read_bytes())
        (folder / "new").replace(folder / f"{number}.sh")
        return str(number)
    raise RuntimeError("the queue is full")


def status(folder: Path, number: str) -> str:
    """State of a script, in Snakemake's words."""
    ended = folder / f"{number}.exit"
    if not ended.exists():
        return "running"
    return "success" if ended.read_text() == "0" else "failed"


def serve(folder: Path) -> str:
    """Run what is queued, two scripts at a time."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    while True:
        for script in sorted(folder.glob("*.sh"), key=lambda path: int(path.stem)):
            if script.stem not in running and not (folder / f"{script.stem}.exit").exists() and len(running) < 2:
                with open(folder / f"{script.stem}.log", "wb") as log:
                    running[script.stem] = subprocess.Popen(["sh", str(script)], stdout=log, stderr=log)
        for number, process in list(running.items()):
            if process.poll() is not None:
                (folder / "ended").write_text(str(process.returncode))
                (folder / "ended").replace(folder / f"{number}.exit")
                del running[number]
        time.sleep(0.1)


if __name__ == "__main__":
    actions: dict[str, Callable[..., str]] = {"submit": submit, "status": status, "serve": serve}
    print(actions[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:]))
