"""The cost of a search beyond its trainings, and the time that a worker takes to start.

    python benchmarks/search.py [--finished 200] [--trials 20] [--url NAME=URL ...]

Each trial is claimed, samples its hyperparameters, reports 30 epochs, asks the pruner after each, and is finished; the
training itself takes no time. The study has `--finished` finished trials. PostgreSQL and MariaDB, if installed, are
started on loopback as in the tests. Other databases are given by URL, and must be empty.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import optuna

from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.search.database_url import resolve_database_url
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import choose_dimensions
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import create_study
from cnn_mellin.search.worker import Pruned, RunningTrial, run_study
from report import write_section

EPOCHS, TRIAL_S = 30, 60.0
SAMPLERS = ("random", "tpe")


def trial_costs(url: str, sampler: str, finished: int, trials: int) -> list[float]:
    """Seconds per trial without its training, in a study with this number of finished trials."""
    dimensions = tuple(choose_dimensions(Settings(), blacklist=["data.*"]))
    plan = StudyPlan(Settings().as_dict(), dimensions, finished + trials, "hyperband")
    with StudyDatabase(resolve_database_url(url), create=True) as database:
        create_study(database, sampler, plan)
        run_study(database, sampler, quick, sampler="random", stop=counted(finished))
        ends: list[float] = []

        def objective(trial: RunningTrial) -> float:
            try:
                for epoch in range(1, EPOCHS + 1):
                    trial.report(epoch, 90.0 / epoch + trial.number % 7)
            except Pruned:  # every trial is to report all epochs
                for later in range(epoch + 1, EPOCHS + 1):
                    trial.report(later, 90.0 / later, may_prune=False)
            return float(trial.number % 7)

        def on_end(_number: int) -> None:
            ends.append(time.perf_counter())

        began = time.perf_counter()
        run_study(database, sampler, objective, sampler=sampler, on_end=on_end)
    return [later - earlier for earlier, later in zip([began, *ends], ends, strict=False)]


def quick(trial: RunningTrial) -> float:
    return float(trial.number % 7)


def counted(number: int) -> Callable[[], bool]:
    """Function that returns True after this number of calls."""
    asked = iter(range(number))
    return lambda: next(asked, None) is None


@contextmanager
def own_servers() -> Iterator[list[str]]:
    """NAME=URL of a new database for each installed server."""
    sys.path.append(str(Path(__file__).parents[1]))
    from tests.database_servers import MariaDB, PostgreSQL, program

    kinds = [kind for kind in (PostgreSQL, MariaDB) if all(program(name) != name for name in kind.programs)]
    with ExitStack() as stack:
        servers = []
        for kind in kinds:
            servers.append(kind())
            stack.callback(servers[-1].remove)
        yield [f"{server.name}={server.new_database('benchmark')}" for server in servers]


def start_seconds(repeats: int) -> tuple[float, float]:
    """Median seconds of a worker whose study has no trial left, and of `--version`."""
    with tempfile.TemporaryDirectory() as name:
        folder, stream = Path(name), np.random.default_rng(1)
        write_symbols(folder / "ext", [f"p{i}" for i in range(48)])
        with write_partition(folder / "train", PartitionDescription(81, 10.0, "toy")) as writer:
            for i in range(1000):
                writer.add(f"u{i:04d}", stream.uniform(0, 5, (300, 81)), stream.integers(0, 48, 40))
        url, program = f"sqlite:///{folder}/s.db", [sys.executable, "-m", "cnn_mellin.cli.main"]
        (folder / "s.ini").write_text("[training]\nnum_epochs = 1\n")
        init = [*program, "--read-ini", str(folder / "s.ini"), "optim", url, "init", str(folder / "train")]
        subprocess.run([*init, "--num-trials", "1"], check=True, capture_output=True)
        study = optuna.load_study(study_name="optim", storage=url)
        study.tell(study.ask(), 1.0)
        times: list[list[float]] = [[], []]
        for _ in range(repeats):
            for place, words in enumerate((["optim", url, "run"], ["--version"])):
                began = time.perf_counter()
                subprocess.run([*program, *words], check=True, capture_output=True)
                times[place].append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finished", type=int, default=200)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--url", nargs="*", default=[], metavar="NAME=URL")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = []
    with tempfile.TemporaryDirectory() as folder, own_servers() as started:
        for given in [f"SQLite=sqlite:///{folder}/s.db", *started, *arguments.url]:
            name, _, url = given.partition("=")
            for sampler in SAMPLERS:
                costs = trial_costs(url, sampler, arguments.finished, arguments.trials)
                median = statistics.median(costs)
                rows.append(f"| {name} | {sampler} | {median:.2f} | {median / TRIAL_S:.1%} |")
                print(rows[-1], flush=True)
    worker, version = start_seconds(arguments.repeats)
    write_section(
        "search",
        "\n".join(
            [
                "## Searches",
                "",
                f"Cost of a trial beyond its training, in a study with {arguments.finished} finished trials: claim it, "
                f"sample all hyperparameters, report {EPOCHS} epochs, ask the hyperband pruner after each, finish it. "
                f"Medians of {arguments.trials} trials; {platform.machine()}, Python {platform.python_version()}, "
                f"Optuna {optuna.__version__}; servers on the same machine.",
                "",
                "| database | sampler | seconds per trial | share of a trial of 60 s |",
                "|---|---|---:|---:|",
                *rows,
                "",
                f"`cnn-mellin optim run` with a partition of 1,000 utterances and no trial left takes {worker:.1f} s "
                f"from start to end (median of {arguments.repeats}; `cnn-mellin --version` takes {version:.2f} s).",
            ]
        ),
    )


if __name__ == "__main__":
    main()
