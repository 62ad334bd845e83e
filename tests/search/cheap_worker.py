"""A worker process for tests, whose trials only wait. python cheap_worker.py URL STUDY SECONDS"""

import logging
import sys
import time

from cnn_mellin.errors import UserError
from cnn_mellin.search.database_url import resolve_database_url
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.worker import RunningTrial, run_study


def objective(trial: RunningTrial) -> float:
    time.sleep(float(sys.argv[3]))
    return float(trial.number)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    logging.getLogger("cnn_mellin").setLevel(logging.INFO)
    try:
        with StudyDatabase(resolve_database_url(sys.argv[1])) as database:
            print(run_study(database, sys.argv[2], objective, sampler="random", max_failed_retries=1000))
    except UserError as error:
        sys.exit(f"cheap worker: {error}")
