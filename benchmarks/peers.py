"""Phone error rate against processor time: our models beside what one would use instead, on the same audio.

    python benchmarks/peers.py CORPUS OUT [--python PYTHON] [--minutes 2 10 30] [--seeds 3 3 1] [--jobs 2]

CORPUS is a folder of TIMIT's layout, such as `cnn-mellin corpus demo` makes, or a table of recordings. All systems get
the same partitions and phones, and are scored alike. Each has the given minutes of two cores, which is twice as many
minutes of processor time, on one thread: features, training, and the choice of the best epoch on dev; for ours,
preparation counts, too. The others are trained by benchmarks/peer_models.py, which describes them, in an environment
of their own, whose interpreter is PYTHON (`pip install torch soundfile speechbrain==1.1.2`). Ours: settings that ship
with the program (fast-lcorr up to 5 minutes, then accurate-lcorr), with their number of epochs, or as many as fit into
the time, which a first epoch measures; decoded like the others, by a greedy search, and with 5-grams of the
training transcripts, their weight and an insertion bonus chosen on dev within the time. Where the time is enough for
further trainings, up to five of them are an ensemble, decoded with the 5-grams: they score whole sequences together.

Writes OUT/peers.md and OUT/peers.png. What is done is not done again. Jobs that run at once share caches and memory,
which costs all systems some of their time.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from cnn_mellin.cli.main import main as cnn_mellin
from cnn_mellin.config import Settings, read_settings
from cnn_mellin.config.decoder_setting import DecoderSetting
from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.timit_partitions import timit_partitions
from cnn_mellin.data.partition import read_partition
from cnn_mellin.decoding.decoded_files import DecodedFile, decode_to_files
from cnn_mellin.decoding.ensemble import ensemble_source
from cnn_mellin.decoding.logit_source import LogitSource
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.speakers import read_speakers
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.formats.text_table import format_table
from cnn_mellin.formats.transcripts import read_phones, write_trn
from cnn_mellin.language_models import NgramModel
from cnn_mellin.models.layer_summary import summarize_layers
from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.significance.bootstrap import bootstrap_difference
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors
from cnn_mellin.shipped_file import shipped_file
from cnn_mellin.training import load_model, train
from cnn_mellin.training.evaluation import decode_partition

FEATURES = "fbank-81-10ms"
FRAMES_PER_S = 100
OURS = "cnn-mellin"
WITH_NGRAMS = "cnn-mellin with 5-grams"
ENSEMBLE = "cnn-mellin, ensemble with 5-grams"
KINDS = {OURS: "", WITH_NGRAMS: ".ngrams", ENSEMBLE: ".ensemble"}  # suffixes of our systems' transcripts
LM_ORDER = ("--lm-order", "5")
TRIED = DecoderSetting.grid([16], [0.4, 0.6, 0.8], [0, 1, 2, 3])
CHOICE_S = 20.0  # processor time set aside for choosing among these; an ensemble of n has n (n + 1) times the next more
JOINT_CHOICE_S = 1.5
PERCENTS = (2, 5, 10, 20, 30, 40, 50, 60, 80, 100)  # labels of the picture's axis
PEERS = ("blstm", "crdnn-small", "crdnn")
SEEDS_APART = 100  # the seeds of an ensemble's trainings
MOST_TRAININGS = 5  # of an ensemble
SHORT_MINUTES = 5.0  # up to which we train with fast-lcorr.ini


def processor_s() -> float:
    """Processor time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def prepare(corpus: Path, out: Path) -> Path:
    """Data directory of a corpus, prepared once; `prepared.json` has the processor time."""
    data, record = out / "data" / FEATURES, out / "prepared.json"
    if not record.exists():
        begun = processor_s()
        kind = ["table", str(corpus)] if corpus.is_file() else ["timit", str(corpus), "--partial"]
        if cnn_mellin(["prep", *kind, str(out / "data"), "--features", FEATURES, *LM_ORDER]):
            sys.exit(2)
        record.write_text(json.dumps({"processor_s": processor_s() - begun}), encoding="utf-8")
    return data


def write_manifest(corpus: Path, data: Path, path: Path) -> None:
    """Write the recordings and phones of all partitions, for benchmarks/peer_models.py."""
    parts = read_table(corpus) if corpus.is_file() else timit_partitions(read_timit(corpus), partial=True)
    recordings = {utterance.utterance_id: utterance for part in parts.values() for utterance in part}
    symbols, manifest = read_symbols(data / "ext"), {}
    for part in ("train", "dev", "test"):
        partition = read_partition(data / part)
        manifest[part] = [
            (name, str(recordings[name].audio_path), [symbols[c] for c in partition.reference_of(i)[:, 0]])
            for i, name in enumerate(partition.utterance_ids)
        ]
    path.write_text(json.dumps(manifest), encoding="utf-8")


def train_ours(data: Path, out: Path, minutes: float, seed: int) -> None:
    """Train our models as far as they are not trained, and write their test transcripts."""
    torch.set_num_threads(1)
    folders = train_in_time(data, out, minutes, seed)
    model, description = load_model(folders[0])
    found = decode_partition(model, read_partition(data / "test"), description.symbols)
    write_trn(transcripts(out, OURS, seed, minutes), found)
    decode_with_ngrams(data, folders[:1], transcripts(out, WITH_NGRAMS, seed, minutes))
    ensemble = transcripts(out, ENSEMBLE, seed, minutes)
    if len(folders) == 1:
        shutil.copyfile(transcripts(out, WITH_NGRAMS, seed, minutes), ensemble)
    else:
        decode_with_ngrams(data, folders, ensemble)


def transcripts(out: Path, system: str, seed: int, minutes: float) -> Path:
    """Test transcripts of a system."""
    return folder_of(out, system) / f"seed{seed}" / f"test-{2 * minutes:g}{KINDS.get(system, '')}.trn"


def folder_of(out: Path, system: str) -> Path:
    """Folder of a system's trainings; all of ours have the same."""
    return out / (OURS if system in KINDS else system)


def decode_with_ngrams(data: Path, folders: Sequence[Path], hypotheses: Path) -> None:
    """Decode test with the n-grams of the training transcripts, with the weight and bonus that are best on dev."""
    ext, begun = data / "ext", processor_s()
    fold = is_folded(ext)
    references = read_phones(ext / "dev.ref.trn", fold=fold)
    models = [load_model(folder) for folder in folders]
    symbols = models[0][1].symbols
    ngrams = NgramModel.from_arpa(ext / "lm.arpa.gz", symbols)

    def decode(part: str, out: str | Path, settings: Sequence[DecoderSetting]) -> list[DecodedFile]:
        sources = [LogitSource.of_model(model, read_partition(data / part), symbols) for model, _ in models]
        source = ensemble_source(sources, [str(folder) for folder in folders], combine="sequences")
        return decode_to_files(source, out, settings, language_model=ngrams)

    with tempfile.TemporaryDirectory() as scratch:
        percents = {
            file.setting: phone_error_rate(references, read_phones(file.path, fold=fold)).percent
            for file in decode("dev", scratch, TRIED)
        }
    best = min(percents, key=lambda setting: percents[setting])
    print(f"{len(folders)} training(s): {best.name}, chosen on dev in {processor_s() - begun:.0f} s", flush=True)
    decode("test", hypotheses, [best])


def train_in_time(data: Path, out: Path, minutes: float, seed: int) -> list[Path]:
    """Train as many models as fit into the time, unless they are trained; the folders of the models."""
    name = "fast-lcorr" if minutes <= SHORT_MINUTES else "accurate-lcorr"
    settings = read_settings(shipped_file(f"model/{name}.ini"))
    prepared_s = json.loads((out / "prepared.json").read_text(encoding="utf-8"))["processor_s"]
    left_s = 120 * minutes - prepared_s - CHOICE_S
    measured = out / OURS / f"epoch-{name}"
    if not measured.with_suffix(".json").exists():
        with tempfile.TemporaryDirectory() as scratch:
            measure(measured.with_suffix(".json"), data, Path(scratch), with_epochs(settings, 1, seed=1))
    num_epochs = min(settings.training.num_epochs or 1, max(1, int(left_s / processor_s_of(measured))))
    folders: list[Path] = []
    spent_s = 0.0
    while not folders or (len(folders) < MOST_TRAININGS and another_fits(spent_s, len(folders), left_s)):
        folder = out / OURS / f"seed{seed}" / f"{name}-{num_epochs}-epochs-{len(folders) + 1}"
        if not folder.with_suffix(".json").exists():
            fitting = with_epochs(settings, num_epochs, seed=seed + SEEDS_APART * len(folders))
            measure(folder.with_suffix(".json"), data, folder, fitting)
        folders.append(folder)
        spent_s += processor_s_of(folder)
    spent = f"{(prepared_s + spent_s) / 60:.1f} processor minutes"
    print(f"{OURS}, {name}, seed {seed}: {len(folders)} training(s) of {num_epochs} epochs in {spent}", flush=True)
    sizes = sizes_of(folders[0]) | {
        "settings": name,
        "epochs": num_epochs,
        "trainings": len(folders),
        "processor_minutes": (prepared_s + spent_s) / 60,
    }
    (out / OURS / f"seed{seed}" / f"sizes-{minutes:g}.json").write_text(json.dumps(sizes), encoding="utf-8")
    return folders


def another_fits(spent_s: float, num_trainings: int, left_s: float) -> bool:
    """Whether another training, as long as the others, and the choice of an ensemble's options fit into the time."""
    more = num_trainings + 1
    return spent_s * more / num_trainings + JOINT_CHOICE_S * more * (more + 1) <= left_s


def with_epochs(settings: Settings, num_epochs: int, *, seed: int) -> Settings:
    """Settings with a number of epochs and a seed."""
    return settings.updated({"model": {"seed": seed}, "training": {"num_epochs": num_epochs, "seed": seed}})


def measure(record: Path, data: Path, folder: Path, settings: Settings) -> None:
    """Train, and write the processor time to a record, last of all."""
    begun = time.process_time()
    train(data / "train", data / "dev", folder, settings)
    record.write_text(json.dumps({"processor_s": time.process_time() - begun}), encoding="utf-8")


def processor_s_of(folder: Path) -> float:
    """Processor time of a training, from its record."""
    return float(json.loads(folder.with_suffix(".json").read_text(encoding="utf-8"))["processor_s"])


def sizes_of(folder: Path) -> dict[str, int]:
    """Numbers of weights, and of multiply-adds per second of speech, of a trained model."""
    model, description = load_model(folder)
    matrices = [weight for name, weight in model.named_parameters() if name.startswith(("rnn.weight", "out.weight"))]
    per_frame = summarize_layers(description.num_features, model.config).multiply_adds_per_frame
    return {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "multiply_adds_per_second": round(
            FRAMES_PER_S * (per_frame + sum(weight.numel() for weight in matrices) / model.config.window_stride)
        ),
    }


def train_peer(system: str, chosen: argparse.Namespace, seed: int, missing: Sequence[float]) -> None:
    """Train another model in its own environment, for the times that are missing."""
    folder = chosen.out / system / f"seed{seed}"
    command = [chosen.python, str(Path(__file__).with_name("peer_models.py")), system]
    command += [str(chosen.out / "manifest.json"), str(folder), "--seed", str(seed), "--minutes"]
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        subprocess.run([*command, *(f"{2 * m:g}" for m in missing)], check=True, stdout=log, stderr=log)


def run(system: str, chosen: argparse.Namespace, seed: int) -> None:
    """Train a system with one seed for all times that have this seed, unless its transcripts are there."""
    folder = chosen.out / system / f"seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    kinds = tuple(KINDS) if system == OURS else (system,)
    wanted = [m for m in chosen.minutes if seed <= chosen.seeds_after[m]]
    missing = [m for m in wanted if not all(transcripts(chosen.out, k, seed, m).exists() for k in kinds)]
    if not missing:
        return
    print(f"{system}, seed {seed}: {', '.join(f'{m:g}' for m in missing)} minutes of two cores", flush=True)
    if system != OURS:
        train_peer(system, chosen, seed, missing)
        return
    for minutes in missing:  # in a process of its own, whose processor time is its own
        command = [sys.executable, __file__, str(chosen.corpus), str(chosen.out), "--ours", f"{minutes:g}", str(seed)]
        subprocess.run(command, check=True)


def errors_of(chosen: argparse.Namespace, data: Path, system: str, minutes: float) -> SpeakerErrors:
    """Errors of a system on the test partition, by seed and speaker."""
    ext = data / "ext"
    fold = is_folded(ext)
    references = read_phones(ext / "test.ref.trn", fold=fold)
    paths = [transcripts(chosen.out, system, seed, minutes) for seed in range(1, chosen.seeds_after[minutes] + 1)]
    results = [phone_error_rate(references, read_phones(path, fold=fold)) for path in paths]
    return SpeakerErrors.of(results, read_speakers(ext / "utt2spk"))


def trainings(sizes: Mapping[str, int], system: str) -> int:
    """Number of trained models in a system."""
    return sizes["trainings"] if system == ENSEMBLE else 1


def report(chosen: argparse.Namespace, errors: Mapping[str, Mapping[float, SpeakerErrors]]) -> str:
    """Tables of Markdown."""
    rows, differences = [], []
    for system, of in errors.items():
        folder, ours = folder_of(chosen.out, system) / "seed1", system in KINDS
        names = [f"sizes-{m:g}.json" for m in chosen.minutes] if ours else ["sizes.json"]
        sizes = [json.loads((folder / name).read_text(encoding="utf-8")) for name in names]
        size = [
            ", ".join(dict.fromkeys(f"{one[key] * trainings(one, system) / unit:,.{digits}f}" for one in sizes))
            for key, unit, digits in (("parameters", 1000, 0), ("multiply_adds_per_second", 1e6, 1))
        ]
        rows.append([system, *size, *(f"{of[m].percent:.2f}" for m in chosen.minutes)])
        for our in () if ours else KINDS:
            found = [bootstrap_difference(of[m], errors[our][m], paired_seeds=True) for m in chosen.minutes]
            differences.append([f"{our} - {system}", "", "", *map(str, found)])
    times = [f"{minutes:g} min, {num_seeds} seed(s)" for minutes, num_seeds in chosen.seeds_after.items()]
    header = ["", "parameters, thousands", "million multiply-adds per second", *times]
    return (
        f"Phone error rates in %, greedy search unless said otherwise, mean of the seeds, after minutes of two cores; "
        f"differences in points with 95 % intervals from a bootstrap over speakers and paired seeds:\n\n"
        f"{format_table(header, rows + differences, 'markdown')}\n"
    )


def draw(errors: Mapping[str, Mapping[float, SpeakerErrors]], path: Path) -> None:
    """Draw error rates against time: means as lines, seeds as points."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.0, 3.8))
    for system, of in errors.items():
        times = list(of)
        width = 2 if system in KINDS else 1.2
        line = axis.plot(times, [of[m].percent for m in times], "-", label=system, lw=width)
        for minutes in times:
            seeds = 100 * of[minutes].errors.sum(1) / of[minutes].num_phones.sum()
            axis.plot([minutes] * len(seeds), seeds, ".", color=line[0].get_color(), alpha=0.6)
    axis.set_xscale("log")
    axis.set_xticks(times, [f"{minutes:g}" for minutes in times])
    axis.set_xlabel("minutes of two cores")
    axis.set_ylabel("phone error rate, %")
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    percents = [percent for percent in PERCENTS if low <= percent <= high]
    axis.set_yticks(percents, map(str, percents))
    axis.minorticks_off()
    axis.grid(alpha=0.2)
    axis.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, metavar="CORPUS")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the others' environment")
    parser.add_argument("--minutes", type=float, nargs="+", default=[2.0, 10.0], help="(default: 2 10)")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[3],
        metavar="N",
        help="trainings of each system, for all times or for each of --minutes (default: 3)",
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="trainings at once (default: 2)")
    parser.add_argument(
        "--systems",
        nargs="*",
        choices=PEERS,
        default=PEERS[:2],
        help=f"the others to train (default: {' '.join(PEERS[:2])})",
    )
    parser.add_argument("--ours", nargs=2, metavar=("MINUTES", "SEED"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if len(chosen.seeds) not in (1, len(chosen.minutes)):
        parser.error(f"--seeds: has {len(chosen.seeds)} numbers; give one, or one for each of --minutes")
    each = chosen.seeds * len(chosen.minutes) if len(chosen.seeds) == 1 else chosen.seeds
    chosen.seeds_after = dict(zip(chosen.minutes, each, strict=True))
    data = prepare(chosen.corpus, chosen.out)
    if chosen.ours:
        train_ours(data, chosen.out, float(chosen.ours[0]), int(chosen.ours[1]))
        return
    write_manifest(chosen.corpus, data, chosen.out / "manifest.json")
    systems = [OURS, *chosen.systems]
    with ThreadPoolExecutor(chosen.jobs) as pool:
        tasks = [pool.submit(run, system, chosen, s + 1) for s in range(max(each)) for system in systems]
        for task in tasks:
            task.result()
    shown = [*KINDS, *chosen.systems]
    errors = {s: {m: errors_of(chosen, data, s, m) for m in chosen.minutes} for s in shown}
    text = report(chosen, errors)
    (chosen.out / "peers.md").write_text(text, encoding="utf-8")
    draw(errors, chosen.out / "peers.png")
    print(f"\n{text}\n{chosen.out}/peers.md, {chosen.out}/peers.png")


if __name__ == "__main__":
    main()
