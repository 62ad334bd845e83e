"""The demonstration: synthesise a corpus, prepare it, train linear and Mellin models, and compare them.

Every step leaves what is there and unchanged alone, so that a run that was killed goes on where it was, and ends with
the same numbers as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import queue
import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from cnn_mellin import __version__
from cnn_mellin.atomic import atomic_file
from cnn_mellin.config import Settings, read_settings
from cnn_mellin.corpora.demo import make_demo_corpus
from cnn_mellin.corpora.phone_sets import fold_phones
from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.timit_partitions import timit_partitions
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.preparation import prepare_timit
from cnn_mellin.decoding.recognition import DecoderSetting, recognise
from cnn_mellin.language_models import NgramModel
from cnn_mellin.report.comparison_table import comparison_text
from cnn_mellin.report.seed_table import SystemResult, seed_table
from cnn_mellin.scoring.folder_comparison import compare_folders
from cnn_mellin.scoring.phone_error_rate import CONVENTIONS, phone_error_rate
from cnn_mellin.scoring.transcripts import read_trn, write_trn
from cnn_mellin.shipped_file import shipped_file
from cnn_mellin.training.evaluation import decode_partition, partition_logits
from cnn_mellin.training.loop import OtherTrainingError, train
from cnn_mellin.training.model_folder import checkpoint_store, load_model, read_description
from cnn_mellin.workflow.watched_pool import watched_pool, worker_queue

__all__ = ["DemoOptions", "DemoResult", "run_demo"]

_FEATURES = "fbank-81-10ms"
_TRIGRAM_SETTINGS = tuple(DecoderSetting(16, weight) for weight in (0.2, 0.4, 0.6))


@dataclass(frozen=True)
class DemoOptions:
    """How large the demonstration is.

    Args:
        num_utterances: of the corpus, all parts and the shared sentences together.
        corpus_seed: of the corpus.
        models: names of the settings `conf/model/demo-NAME.ini`.
        seeds: of the trainings of each model.
        num_epochs: of each training; None is what the settings say.
        jobs: processes at once; None is one a core.
        quiet: no progress.
    """

    num_utterances: int = 1500
    corpus_seed: int = 1
    models: Sequence[str] = ("lcorr", "mcorr")
    seeds: Sequence[int] = (1, 2)
    num_epochs: int | None = None
    jobs: int | None = None
    quiet: bool = False


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration gave.

    Args:
        systems: results of each model.
        table: of them, in Markdown.
        comparison: with a language model and without, in Markdown.
        paths: what lies where.
    """

    systems: list[SystemResult]
    table: str
    comparison: str
    paths: dict[str, Path]


def run_demo(directory: str | Path, options: DemoOptions | None = None) -> DemoResult:
    """Do all that is missing or out of date in a folder.

    Raises:
        UserError: the folder holds something else, or the synthesiser is not installed.
    """
    options = options or DemoOptions()
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    corpus, data, models = folder / "corpus", folder / "data", folder / "models"
    make_demo_corpus(corpus, options.num_utterances, options.corpus_seed, jobs=options.jobs, quiet=options.quiet)
    parts = timit_partitions(read_timit(corpus), partial=True)
    prepare_timit(parts, data, [_FEATURES], jobs=options.jobs, quiet=options.quiet)
    jobs = [
        _Job(data / _FEATURES, models / f"{name}-seed{seed}", name, seed, options.num_epochs)
        for seed in options.seeds
        for name in options.models
    ]
    results = _run_jobs(jobs, options)
    systems = [
        SystemResult(
            name,
            options.seeds,
            [results[job.folder]["per_percent"]["kaldi"] for job in jobs if job.name == name],
            [results[job.folder]["untrained_per_percent"] for job in jobs if job.name == name],
        )
        for name in options.models
    ]
    paths = {"corpus": corpus, "features and references": data / _FEATURES, "models": models}
    paths["transcripts"] = folder / "systems"
    table = seed_table(systems)
    compared = compare_folders(sorted((folder / "systems").iterdir()), data / _FEATURES / "ext")
    comparison = comparison_text(compared, "markdown")
    with atomic_file(folder / "results.md") as file:
        file.write(_page(table, jobs, results, comparison))
    paths["results"] = folder / "results.md"
    picture = _draw(jobs, folder / "learning-curves.png")
    if picture is not None:
        paths["learning curves"] = picture
    return DemoResult(systems, table, comparison, paths)


@dataclass(frozen=True)
class _Job:
    """One training, and its recognition of the test part."""

    data: Path
    folder: Path
    name: str
    seed: int
    num_epochs: int | None

    def transcript(self, part: str, setting: DecoderSetting) -> Path:
        """Where a transcript goes, as `cnn-mellin compare` reads it."""
        greedy = setting.beam_width is None
        system = self.folder.parents[1] / "systems" / f"{self.name}-{'greedy' if greedy else 'trigram'}"
        path = system / f"seed{self.seed}" / (f"{part}.trn" if greedy else f"{part}.{setting.name}.trn")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def settings(self) -> Settings:
        seeds = {"seed": self.seed}
        training = seeds if self.num_epochs is None else {**seeds, "num_epochs": self.num_epochs}
        ini = shipped_file(f"model/demo-{self.name}.ini")
        return read_settings(ini).updated({"model": seeds, "training": training})


def _run_jobs(jobs: Sequence[_Job], options: DemoOptions) -> dict[Path, dict[str, Any]]:
    """Results of all jobs by folder, several processes at once, one thread each: that is fastest for small models."""
    from tqdm import tqdm

    total = sum(job.settings().training.num_epochs or 0 for job in jobs)
    workers = min(options.jobs or os.cpu_count() or 1, len(jobs))
    reports: Queue[Any] = multiprocessing.get_context("spawn").Queue()
    with (
        watched_pool(workers, reports) as pool,
        tqdm(total=total, desc="train", unit="epoch", disable=options.quiet) as bar,
    ):
        futures: list[Future[dict[str, Any]]] = [pool.submit(_run_job, job) for job in jobs]
        try:
            while not (_nothing_reported(reports, bar) and _ended(futures)):
                pass
            return {job.folder: future.result() for job, future in zip(jobs, futures, strict=True)}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _ended(futures: Sequence[Future[Any]]) -> bool:
    """Whether all jobs are done, or one has failed."""
    return all(future.done() for future in futures) or any(future.done() and future.exception() for future in futures)


def _nothing_reported(reports: Queue[Any], bar: Any) -> bool:
    """Show the next report of a worker; true where there was none for a while."""
    try:
        kind, value = reports.get(timeout=0.2)
    except queue.Empty:
        return True
    if kind == "epochs":
        bar.update(value[0])
        bar.set_postfix_str(value[1])
    else:
        bar.write(value)
    return False


def _run_job(job: _Job) -> dict[str, Any]:
    """In a worker: train, recognise and score, as far as that is not done."""
    reports, reported = worker_queue(), 0

    def report(record: Any, _num_epochs: int | None) -> None:
        nonlocal reported
        shown = f"{job.folder.name}: dev PER {record.dev_per_percent:.1f} %"
        reports.put(("epochs", (record.epoch - reported, shown)))
        reported = record.epoch

    def run() -> int:
        result = train(job.data / "train", job.data / "dev", job.folder, job.settings(), report=report)
        return len(result.records)

    try:
        num_epochs = run()
    except OtherTrainingError as error:
        reports.put(("line", f"{job.folder}: trained anew, as settings or data have changed: {error.differences}"))
        shutil.rmtree(job.folder)
        num_epochs = run()
    reports.put(("epochs", (num_epochs - reported, f"{job.folder.name}: trained")))
    return _recognise(job)


def _recognise(job: _Job) -> dict[str, Any]:
    """Recognise dev and test, greedily and with the language model, and score test; kept with what it came from."""
    partitions = {part: read_partition(job.data / part) for part in ("dev", "test")}
    description = read_description(job.folder)
    checksum = checkpoint_store(job.folder, description).model_checksum()
    inputs = (*(partition.digest for partition in partitions.values()), checksum, _TRIGRAM_SETTINGS, __version__)
    fingerprint = hashlib.sha256(repr(inputs).encode()).hexdigest()
    path = job.folder / "test.json"
    if path.exists():
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if result["fingerprint"] == fingerprint:
            return result
    model, _ = load_model(job.folder)
    trigram = NgramModel.from_arpa(job.data / "ext" / "lm.arpa.gz", description.symbols)
    for part, partition in partitions.items():
        batches = list(partition_logits(model, partition))
        for setting in (DecoderSetting(), *_TRIGRAM_SETTINGS):
            found = recognise(batches, setting, trigram)
            hypotheses = {name: [description.symbols[c] for c in each.classes] for name, each in found.items()}
            write_trn(job.transcript(part, setting), hypotheses)
    references = read_trn(job.data / "ext" / "test.ref.trn")
    untrained, _ = load_model(job.folder, epoch=0)
    scored = {
        "trained": _folded(read_trn(job.transcript("test", DecoderSetting()))),
        "untrained": _folded(decode_partition(untrained, partitions["test"], description.symbols)),
    }
    rates = {c: phone_error_rate(references, scored["trained"], c) for c in CONVENTIONS}
    total = rates["kaldi"].total
    result = {
        "fingerprint": fingerprint,
        "per_percent": {convention: rate.percent for convention, rate in rates.items()},
        "untrained_per_percent": phone_error_rate(references, scored["untrained"]).percent,
        "num_phones": total.num_phones,
        "substitutions": total.substitutions,
        "deletions": total.deletions,
        "insertions": total.insertions,
    }
    with atomic_file(path) as file:
        json.dump(result, file, indent=1)
    return result


def _folded(transcripts: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: fold_phones(phones, 39) for name, phones in transcripts.items()}


def _page(table: str, jobs: Sequence[_Job], results: dict[Path, dict[str, Any]], comparison: str) -> str:
    """What `results.md` holds."""
    lines = [
        "# Phone error rates on unseen voices of the demonstration corpus",
        "",
        "Greedy search, no language model, 39 phones; every silence is scored (convention `kaldi`).",
        "",
        table,
        "",
        "| training | phones | substitutions | deletions | insertions | " + " | ".join(CONVENTIONS) + " |",
        "|---" * (5 + len(CONVENTIONS)) + "|",
    ]
    for job in jobs:
        result = results[job.folder]
        counts = [result[name] for name in ("num_phones", "substitutions", "deletions", "insertions")]
        percents = [f"{result['per_percent'][convention]:.2f} %" for convention in CONVENTIONS]
        lines.append("| " + " | ".join([job.folder.name, *map(str, counts), *percents]) + " |")
    lines += ["", "## Greedy search against a trigram of the training phones, settings chosen on dev", "", comparison]
    return "\n".join(lines) + "\n"


def _draw(jobs: Sequence[_Job], out: Path) -> Path | None:
    """The learning curves, where matplotlib is installed."""
    try:
        from cnn_mellin.report.learning_curves import plot_learning_curves

        plot_learning_curves({f"{job.name} seed{job.seed}": job.folder / "history.csv" for job in jobs}, out)
    except ImportError:
        return None
    return out
