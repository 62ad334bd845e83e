"""Jobs of a Slurm cluster as reported by sbatch, squeue and sacct, and the environment of these commands."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import filelock

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError, UserError
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import read_json

__all__ = [
    "ENDED_STATES",
    "WAITING_STATES",
    "QueueAnswer",
    "SlurmJob",
    "SlurmQueue",
    "chosen_clusters",
    "job_suffix",
    "printed_ids",
    "slurm_environment",
]

_LOGGER = logging.getLogger(__name__)

# A state that is in neither set counts as running: new versions of Slurm add states, and no living job may be given up.
ENDED_STATES = frozenset(
    ["COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED"]
    + ["REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL"]
)
"""States of jobs that have ended."""

WAITING_STATES = frozenset(
    ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"]
)
"""States of jobs that have not started, or have been requeued."""

# Variables by which Slurm's commands find the cluster; all other SLURM_ variables describe a job.
_SLURM_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_SACK_SOCKET")
# Account and place of jobs: a user sets these once for all jobs, also for those that are submitted from within a job.
_SBATCH_KEPT = ("SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION", "SBATCH_WCKEY")
# Options that the recipe sets for each of its jobs.
_SBATCH_OURS = frozenset(
    f"SBATCH_{name}" for name in "ARRAY_INX CLUSTERS ERROR INPUT JOB_NAME OPEN_MODE OUTPUT WAIT".split()
)
_INSIDE_A_JOB = ("SLURM_JOB_ID", "SLURM_JOBID", "SLURM_ARRAY_TASK_ID")

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ID = re.compile(r"(\d+)(?:;(\S+))?")
_SENTENCE = re.compile(r"Submitted batch job (\d+)(?: on cluster (\S+))?")
_LISTED = re.compile(r"(\d+)\|([A-Z_]+)[^|]*\|(.*)")
_HEADER = re.compile(r"CLUSTER: (\S+)")
_COMMAND_S = 300.0
_PATIENCE_S = 600.0
_WARN_AFTER_S = 60.0


@dataclass(frozen=True)
class SlurmJob:
    """A job.

    Args:
        job_id: its number.
        name: name under which it was submitted.
        state: Slurm's name of its state.
        cluster: cluster name for `--clusters`; empty for the default cluster.
    """

    job_id: str
    name: str
    state: str = ""
    cluster: str = ""

    @property
    def ended(self) -> bool:
        """True if it has ended."""
        return self.state in ENDED_STATES


@dataclass(frozen=True)
class QueueAnswer:
    """Answer of squeue.

    Args:
        jobs: jobs that it listed.
        silent: clusters that did not answer -> reason.
        at: time of the query, in seconds since the epoch.
    """

    jobs: Sequence[SlurmJob] = ()
    silent: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0

    def state(self, job: SlurmJob) -> str | None:
        """State of a job; empty where it is not listed, None where its cluster did not answer.

        Slurm may have given the number to another job meanwhile, so the name must match, too, where it is known.
        """
        for listed in self.jobs:
            if listed.job_id == job.job_id and job.name in ("", listed.name):
                return listed.state
        return None if job.cluster in self.silent else ""


class SlurmQueue:
    """Queries squeue for the jobs of a recipe; all that ask within a few seconds share an answer.

    Args:
        suffix: suffix of the names of the recipe's jobs.
        clusters: names of the clusters to query; none for the default cluster.
        poll_s: seconds for which an answer is reused.
        cache: file in which processes share answers; None to ask each time.
    """

    def __init__(
        self, suffix: str, clusters: Iterable[str] = (), poll_s: float = 10.0, cache: Path | None = None
    ) -> None:
        self._suffix, self._poll_s, self._cache = suffix, poll_s, cache
        self._clusters = dict.fromkeys(clusters) or {"": None}
        self._environment = slurm_environment()

    def forget(self) -> None:
        """Discard the last answer, so that the next call of `look` queries squeue."""
        if self._cache is not None:
            self._cache.unlink(missing_ok=True)

    def look(self) -> QueueAnswer:
        """The last answer, or a new one where that is older than `poll_s`."""
        if self._cache is None:
            return self._joined({cluster: self._ask(cluster) for cluster in self._clusters})
        with filelock.FileLock(self._cache.with_suffix(".lock")):
            known = self._known()
            answers = {}
            for cluster in self._clusters:
                earlier = known.get(cluster, {})
                fresh = 0 <= time.time() - earlier.get("at", 0.0) < self._poll_s
                answers[cluster] = earlier if fresh else self._warned(earlier, self._ask(cluster))
            if answers != {cluster: known.get(cluster) for cluster in answers}:
                with atomic_file(self._cache) as file:
                    json.dump({**known, **answers}, file)
        return self._joined(answers)

    def answered(self) -> QueueAnswer:
        """Wait for an answer of all clusters.

        Raises:
            UserError: a cluster has not answered for ten minutes.
        """
        began = time.monotonic()
        while (answer := self.look()).silent:
            if time.monotonic() - began > _PATIENCE_S:
                why = "; ".join(answer.silent.values())
                raise UserError(f"squeue has failed for {_PATIENCE_S:.0f} s: {why}; run the same command again later")
            time.sleep(self._poll_s)
        return answer

    def recorded_state(self, job: SlurmJob) -> str:
        """State of a job according to sacct; empty where the cluster has no accounting, or not of this job."""
        if shutil.which("sacct") is None:
            return ""
        command = ["sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State,JobName"]
        command += [f"--jobs={job.job_id}", *_naming(job.cluster)]
        printed, _ = _printed(command, self._environment)
        found = QueueAnswer(list(_jobs(printed or "", job.cluster)))
        return found.state(job) or ""

    def _known(self) -> dict[str, Any]:
        """Cluster -> its last answer: time of the query, jobs or the reason for their absence, and since when."""
        assert self._cache is not None
        try:
            content = read_json(self._cache)
        except DataError:  # none yet
            return {}
        return content if shape_fault(content, {str: {"at": float, "jobs": [[str]]}}) is None else {}

    def _ask(self, cluster: str) -> dict[str, Any]:
        at = time.time()
        command = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}"]
        printed, why = _printed([*command, "--format=%i|%T|%j", *_naming(cluster)], self._environment)
        if printed is None:
            return {"at": at, "jobs": [], "silent": why, "since": at, "warned": 0.0}
        jobs = [job for job in _jobs(printed, cluster) if job.name.endswith(f"-{self._suffix}")]
        return {"at": at, "jobs": [[job.job_id, job.name, job.state, job.cluster] for job in jobs]}

    def _joined(self, answers: Mapping[str, dict[str, Any]]) -> QueueAnswer:
        jobs = [SlurmJob(*job) for answer in answers.values() for job in answer["jobs"]]
        silent = {cluster: answer["silent"] for cluster, answer in answers.items() if "silent" in answer}
        return QueueAnswer(jobs, silent, min(answer["at"] for answer in answers.values()))

    def _warned(self, earlier: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """The answer; where squeue has failed for long, that is logged."""
        if "silent" not in answer:
            return answer
        answer |= {"since": earlier.get("since", answer["at"]), "warned": earlier.get("warned", 0.0)}
        if answer["at"] - answer["since"] >= _WARN_AFTER_S and answer["at"] - answer["warned"] >= _PATIENCE_S:
            answer["warned"] = answer["at"]
            why = answer["silent"]
            _LOGGER.warning(
                "squeue has failed for a minute or more (%s); jobs keep running, and the query is repeated", why
            )
        return answer


def job_suffix(folder: Path) -> str:
    """Suffix of the names of a recipe's jobs: a digest of its folder, which distinguishes recipes."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]


def slurm_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of Slurm's commands: that of this process without variables of the job in which it may run.

    Variables that change the output of squeue and sacct are removed, too, and sbatch options that the recipe sets. The
    user's other sbatch options stay; within a job, only those for account, partition, quality of service, reservation
    and workload key.

    >>> sorted(slurm_environment({"SLURM_JOB_ID": "7", "SLURM_CONF": "/c", "SBATCH_QOS": "low", "SBATCH_GPUS": "8"}))
    ['SBATCH_QOS', 'SLURM_CONF']
    """
    environment = os.environ if environment is None else environment
    inside = any(name in environment for name in _INSIDE_A_JOB)

    def stays(name: str) -> bool:
        if name.startswith("SBATCH_"):
            return name in _SBATCH_KEPT if inside else name not in _SBATCH_OURS
        return name in _SLURM_KEPT or not name.startswith(("SLURM_", "SQUEUE_", "SACCT_"))

    return {name: value for name, value in environment.items() if stays(name)}


def chosen_clusters(options: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Clusters among which sbatch may choose, separated by commas: from its options, or else from the environment.

    >>> chosen_clusters(["--ntasks=1", "-M", "east"], {"SBATCH_CLUSTERS": "west"}), chosen_clusters([], {})
    ('east', '')
    """
    environment = os.environ if environment is None else environment
    chosen = environment.get("SBATCH_CLUSTERS") or environment.get("SLURM_CLUSTERS") or ""
    for option, following in zip_longest(options, options[1:], fillvalue=""):
        name, divider, value = option.partition("=")
        if name in ("--clusters", "--cluster"):
            chosen = value if divider else following
        elif option == "-M":
            chosen = following
        elif option.startswith("-M"):
            chosen = option[2:]
    return chosen


def printed_ids(printed: str) -> list[tuple[str, str]]:
    r"""Number and cluster of each job that sbatch may have printed; at some sites it prints other lines as well.

    >>> printed_ids("Welcome to the cluster\n101;east\nHave a nice day")
    [('101', 'east')]
    """
    lines = [_ESCAPES.sub("", line).strip() for line in printed.splitlines()]
    found = [match for line in lines if (match := _ID.fullmatch(line))]
    found = found or [match for line in lines if (match := _SENTENCE.search(line))]
    return [(match[1], match[2] or "") for match in found]


def _naming(cluster: str) -> list[str]:
    return [f"--clusters={cluster}"] if cluster else []


def _printed(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str | None, str]:
    """Output of a command and an empty string, or None and the reason for its failure."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=dict(environment),
            timeout=_COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"{command[0]} did not answer within {_COMMAND_S:.0f} s"
    except OSError as error:
        return None, f"{command[0]} cannot be started ({error.strerror})"
    # With --clusters, squeue may end with status 0 although it could not reach the cluster.
    unreached = "error:" in done.stderr and not done.stdout.strip() and command[-1].startswith("--clusters=")
    if done.returncode or unreached:
        return None, " ".join(done.stderr.split())[-300:] or f"{command[0]} ended with status {done.returncode}"
    return done.stdout, ""


def _jobs(printed: str, cluster: str) -> Iterator[SlurmJob]:
    """Jobs in lines `id|state|name`, as squeue and sacct print them; other lines come from the site."""
    for line in printed.splitlines():
        line = _ESCAPES.sub("", line).strip()
        header = _HEADER.fullmatch(line)
        if header is not None:
            cluster = header[1]
        fields = _LISTED.fullmatch(line)
        if fields is not None:
            number, state, name = fields.groups()
            yield SlurmJob(number, name, state, cluster)
