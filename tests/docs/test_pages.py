"""Every fenced command of every page runs, from an empty folder outside the checkout, and leaves what the page says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main, parser
from cnn_mellin.config import read_settings
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.text_grid import Interval, IntervalTier, read_text_grid, write_text_grid
from cnn_mellin.training import train
from cnn_mellin.training.history import read_history

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
}

# Blocks that cannot run here, by their page and how they begin, and the reason.
NOT_RUN = {
    "README.md: make demo": "sets up an environment and trains for minutes",
    "docs/study.md: python examples/digits.py": "needs recordings of digits, and trains for half an hour",
    "docs/study.md: cnn-mellin corpus demo": "trains for an hour; tests/examples runs the program",
    "docs/study.md: python examples/phones.py adults.tsv": "trains for an hour; tests/examples runs the program",
    "docs/study.md: python examples/segments.py": "trains for minutes; tests/examples runs the program",
    "README.md: pip install .": "needs TIMIT and hours; its parts run on other pages",
    "docs/first-hour.md: git clone": "sets up an environment and trains for minutes",
    "docs/first-hour.md: .venv/bin/cnn-mellin transcribe": "needs what the page's first block makes; docs/decoding.md",
    "docs/install.md: python3 -m venv": "downloads packages",
    "docs/install.md: uv venv": "downloads packages; tests/test_requirements_lock.py checks the file",
    "docs/install.md: make demo": "downloads packages",
    "docs/install.md: docker build": "downloads an image and packages; tests/test_container_images.py checks the files",
    "docs/tutorial.md: cnn-mellin recipe": "takes minutes; tests/recipe runs it",
    "docs/recipe.md: cnn-mellin recipe ~/TIMIT exp/timit --cores": "needs TIMIT and days",
    "docs/recipe.md: cnn-mellin corpus demo": "takes minutes; tests/recipe runs it",
    "docs/recipe.md: snakemake -d EXP": "takes minutes; tests/recipe runs these",
    "docs/recipe.md: cnn-mellin recipe ~/TIMIT exp/timit --search": "needs TIMIT, a database and a cluster",
    "docs/recipe.md: cnn-mellin --device cuda": "needs TIMIT and a cluster",
    "docs/recipe.md: mkdir -p exp/logs": "needs TIMIT and a cluster",
    "docs/web-page.md: npm install": "downloads a package, and serves until it is stopped; tests/export runs the page",
    "docs/decisions/0022-a-warm-up-against-the-plateau.md: sed": "trains for hours; tests/examples runs the program",
    "docs/decisions/0023-a-search-for-short-trainings.md: examples/fast_search.sh": (
        "trains for an hour; tests/examples runs the program"
    ),
    "docs/decisions/0024-training-utterances-at-other-speeds.md: cnn-mellin prep": (
        "needs a corpus and trains for minutes; tests/data/test_preparation.py makes copies"
    ),
    "docs/recipe-by-hand.md: ": "needs a database; tests/recipe/test_recipe_by_hand.py runs the whole page",
}

# Sizes that a page shows and that are smaller here.
_KNOWN_CORPORA = {
    "speechocean762": "so",
    "free-spoken-digit-dataset": "fsdd",
    "voxangeles": "vox",
    "tusom2021": "tusom",
}
SMALLER = {
    "docs/tutorial.md": {"--utterances 300": "--utterances 40"},
    "docs/corpora.md": {
        f" {folder} data/{data}": f" {folder} data/{data} --partial" for folder, data in _KNOWN_CORPORA.items()
    }
    | {"num_epochs = 16": "num_epochs = 1"}
    | {"accurate-lcorr train": "model.ini train"},
}

# Pages with whole searches and trainings of several processes.
LONG = ("docs/data-parallel.md", "docs/search.md")

# Modules of the extras that a page takes.
EXTRAS = {
    "docs/data-parallel.md": ["matplotlib", "optuna"],
    "docs/corpora.md": ["panphon"],
    "docs/decoding.md": ["matplotlib", "panphon"],
    "docs/other-formats.md": ["pyarrow"],
    "docs/own-corpus.md": ["matplotlib"],
    "docs/python-api.md": ["onnx", "onnxruntime", "onnxscript"],
    "docs/search.md": ["optuna", "matplotlib", "sklearn"],
    "docs/training.md": ["matplotlib", "tensorboard", "onnxruntime", "safetensors"],
    "docs/tutorial.md": ["matplotlib", "espeakng_loader"],
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0]}"

    @property
    def reason(self) -> str | None:
        """Reason why it cannot run here."""
        return next((reason for start, reason in NOT_RUN.items() if self.name.startswith(start)), None)


BLOCKS = [
    Block(page, language, text)
    for page, content in PAGES.items()
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", content, re.DOTALL | re.MULTILINE)
]
SHELL_PAGES = list(dict.fromkeys(block.page for block in BLOCKS if block.language == "sh" and not block.reason))
PYTHON_PAGES = list(dict.fromkeys(block.page for block in BLOCKS if block.language == "python"))


def blocks(page: str, language: str) -> list[str]:
    return [block.text for block in BLOCKS if (block.page, block.language) == (page, language)]


def commands() -> list[Any]:
    """Page and arguments of each `cnn-mellin` command, also of the blocks that are not run."""
    found = []
    for page in dict.fromkeys(block.page for block in BLOCKS):
        if page == "docs/recipe-by-hand.md":
            continue  # loops over variables; its own test runs them
        variables = {"url": "sqlite:///search.db"}
        for line in "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines():
            name, _, value = line.partition("=")
            if name.isidentifier():
                variables[name] = value
                continue
            line = re.sub(r"\$\((.*?)\)", "substituted", line)
            words = shlex.split(re.sub(r"\$(\w+)", lambda match: variables[match[1]], line), comments=True)  # noqa: B023
            for start in ("cnn-mellin", "scripts/cnn_mellin.slrm"):
                if start in words:
                    arguments = words[words.index(start) + 1 :]
                    found.append(pytest.param(arguments, id=f"{page}: {' '.join(arguments)}"))
    return found


# Files that are there before the commands of a page begin.


def prepare_folder(page: str, folder: Path, request: pytest.FixtureRequest) -> None:
    """Put the files that the commands of a page start from into the folder, which is empty."""
    rng = np.random.default_rng(0)
    if page in ("docs/data-parallel.md", "docs/decoding.md", "docs/training.md", "docs/search.md"):
        pytest.importorskip("espeakng_loader", reason="espeakng_loader (of the extra demo) is not installed")
        tiny_model = request.getfixturevalue("tiny_model")
    if page in ("docs/data-parallel.md", "docs/decoding.md", "docs/training.md"):
        shutil.copytree(tiny_model.data, folder / "data" / "timit" / "fbank-81-10ms")
    if page == "docs/decoding.md":
        for name in ("model", "models/seed1", "models/seed2"):
            shutil.copytree(tiny_model.model, folder / "exp" / name)
        soundfile.write(folder / "speech.flac", rng.normal(0, 0.1, 12000), 8000)
    if page in ("docs/data-parallel.md", "docs/training.md"):
        quick(folder / "settings.ini", "demo-mcorr", num_epochs=2)
    if page == "docs/search.md":
        shutil.copytree(tiny_model.data, folder / "data" / "fbank-81-10ms")
        quick(folder / "demo-mcorr", "demo-mcorr")
    if page == "docs/tutorial.md":
        for name in ("demo-lcorr", "demo-mcorr"):
            quick(folder / name, name)
    if page == "docs/corpora.md":
        known_corpora = request.getfixturevalue("known_corpora")
        known_corpora.write_speechocean762(folder / "speechocean762")
        known_corpora.write_fsdd(folder / "free-spoken-digit-dataset")
        known_corpora.write_voxangeles(folder / "voxangeles")
        known_corpora.write_tusom2021(folder / "tusom2021")
        (folder / "stft.json").write_text(blocks("docs/own-corpus.md", "json")[0])
    if page == "docs/other-formats.md":
        other_formats(folder, rng)
    if page == "docs/large-corpora.md":
        corpora(folder, rng)
        (folder / "large.ini").write_text(blocks(page, "")[0])
    if page == "docs/own-corpus.md":
        corpora(folder, rng)
        quick(folder / "published-lcorr-fbank-81-10ms", "demo-lcorr")


def quick(path: Path, name: str, num_epochs: int = 1) -> None:
    """Write settings that ship with the package, with few epochs; a file of that name goes before the shipped one."""
    text = (ROOT / "conf" / "model" / f"{name}.ini").read_text()
    text, count = re.subn(r"^num_epochs = .*$", f"num_epochs = {num_epochs}", text, flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)


def corpora(folder: Path, rng: np.random.Generator) -> None:
    """Write the page's table, and a corpus as Kaldi folders of both of the names that the page uses."""
    table = next(block for block in blocks("docs/own-corpus.md", "") if "\t" in block)
    (folder / "wav").mkdir()
    for name in ("mary-1.wav", "john-1.flac", "ann-1.wav"):
        soundfile.write(folder / "wav" / name, rng.normal(0, 0.1, 16000), 16000)
    # The page shows a train and a dev utterance; its last commands also need a test partition.
    (folder / "corpus.tsv").write_text(table, encoding="utf-8")
    for part, other, name in (
        ("train", "train_960", "mary-1.wav"),
        ("dev", "dev_clean", "john-1.flac"),
        ("test", "test_clean", "ann-1.wav"),
    ):
        for place in (part, other):
            kaldi = folder / "kaldi" / place
            kaldi.mkdir(parents=True)
            utterance = Path(name).stem
            (kaldi / "wav.scp").write_text(f"{utterance} wav/{name}\n")
            (kaldi / "text").write_text(f"{utterance} b a n a n\n")
            (kaldi / "utt2spk").write_text(f"{utterance} {utterance[:-2]}\n")


def other_formats(folder: Path, rng: np.random.Generator) -> None:
    """Write a small corpus as TextGrids, manifests, saved data set and Parquet files, and a model of it."""
    import pyarrow
    from pyarrow import ipc, parquet

    rows = []
    for part in ("train", "dev", "test"):
        for number, speaker in enumerate(("mary", "john")):
            name, place = f"{speaker}-{part}{number}", folder / "praat" / part / speaker
            place.mkdir(parents=True)
            soundfile.write(place / f"{name}.wav", rng.normal(0, 0.1, 16000), 16000)
            phones = [
                Interval(0.1, 0.3, "b"),
                Interval(0.3, 0.5, "ɛ"),
                Interval(0.5, 0.8, "sil"),
                Interval(0.8, 1, "b"),
            ]
            write_text_grid(place / f"{name}.TextGrid", 1.0, [IntervalTier("phones", tuple(phones))])
            audio = {"bytes": (place / f"{name}.wav").read_bytes(), "path": f"{name}.wav"}
            rows.append({"audio": audio, "ipa": "b ɛ b", "text": "b ɛ b", "speaker": speaker})
    (folder / "parquet").mkdir()
    for split, of_split in {"train": rows[:2], "validation": rows[2:4]}.items():
        table = pyarrow.Table.from_pylist(of_split)
        parquet.write_table(table, folder / "parquet" / f"{split}-00000-of-00001.parquet")
        saved = folder / "saved" / split
        saved.mkdir(parents=True)
        with ipc.new_stream(saved / "data-00000-of-00001.arrow", table.schema) as stream:
            stream.write_table(table)
        (saved / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
    (folder / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    (folder / "fieldwork").mkdir()
    soundfile.write(folder / "fieldwork" / "story.wav", rng.normal(0, 0.1, 16000), 16000)
    sentences = (Interval(0, 0.5, "one"), Interval(0.5, 1, "two"))
    tiers = [
        IntervalTier("sentence", sentences),
        IntervalTier("phones", (Interval(0, 0.4, "a"), Interval(0.5, 1, "b"))),
    ]
    write_text_grid(folder / "fieldwork" / "story.TextGrid", 1.0, tiers)
    (folder / "speakers.tsv").write_text("utterance\tspeaker\nstory\tann\n")
    data = folder / "prepared"
    options = ["--features", "fbank-81-10ms", "raw", "--silence", "sil"]
    assert main(["--quiet", "prep", "textgrid", str(folder / "praat"), str(data), *options]) == 0
    data /= "fbank-81-10ms"
    assert main(["--quiet", "data", "export", str(data), str(folder / "manifests"), "--to", "lhotse"]) == 0
    settings = read_settings("demo-mcorr").updated({"model": {"seed": 1}, "training": {"num_epochs": 1, "seed": 1}})
    train(data / "train", data / "dev", folder / "exp" / "mine", settings)


# Checks of the files that the commands left, and of what they printed.


def check_corpora(folder: Path, printed: str) -> None:
    for name in ("so", "fsdd", "vox", "tusom"):
        assert (folder / "exp" / f"{name}.trn").read_text(encoding="utf-8")
    assert printed.count("PFER %") == 4
    assert printed.count("features: read as ARPAbet") == 2
    assert printed.count("features: read as IPA") == 2
    assert "best of 6)" in printed  # the ensemble's weights and bonuses


def check_decoding(folder: Path, printed: str) -> None:
    assert "best of 12)" in printed  # compare chose among the decoding options
    assert "best of 3)" in printed
    assert "speech.flac: " in printed
    for name in ("exp/confusions.png", "speech.png"):
        assert (folder / name).stat().st_size > 1000
    used = {arguments[0] for page, arguments in map(page_and_arguments, commands()) if page == "docs/decoding.md"}
    assert used == {"decode", "score", "lm", "logits", "compare", "transcribe"}


def check_training(folder: Path, _printed: str) -> None:
    left = {path.name.replace("_002", "_007") for path in (folder / "exp" / "model").iterdir()} | {"tensorboard/"}
    table = PAGES["docs/training.md"].split("## Interruptions")[0].split("| in the")[1]
    named = re.findall(r"`([a-z_0-9]+\.[a-z]+|tensorboard/)`", table)
    assert len(named) == 9
    assert set(named) <= left
    assert (folder / "exp" / "model.onnx").stat().st_size > 1000
    assert (folder / "exp" / "logits" / "test" / "features.npy").exists()


def check_search(folder: Path, _printed: str) -> None:
    assert read_settings(folder / "best.ini").model.convolutional_mellin
    assert len((folder / "large.params").read_text().split()) == 2
    assert len((folder / "trials.csv").read_text().splitlines()) == 5
    assert {path.name for path in (folder / "models" / "small").iterdir()} == {f"trial_{i:04d}" for i in range(6)}
    assert (folder / "pictures" / "index.html").exists()


def check_data_parallel(folder: Path, printed: str) -> None:
    one, two = (read_history(folder / "exp" / name / "history.csv") for name in ("one", "two"))
    assert len(one) == 2
    for ours, theirs in zip(one, two, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
    assert "this worker completed 2 trials" in printed


def check_tutorial(_folder: Path, printed: str) -> None:
    assert "mcorr - lcorr" in printed
    assert "  0.8 " in printed


def check_own_corpus(folder: Path, printed: str) -> None:
    assert "data/mine/fbank-81-10ms/train: clean" in printed
    assert "cnn-mellin: corpus.tsv: no training utterance has 3 of 7 symbols: a, b, n\n" in printed
    assert (folder / "john-1.png").exists()


def check_other_formats(folder: Path, printed: str) -> None:
    assert "data/fieldwork/fbank-81-10ms/train: 2 utterances" in printed
    for features in ("fbank-81-10ms", "raw"):
        before, after = folder / "data" / "praat" / features, folder / "data" / "again" / features
        names = sorted(str(path.relative_to(before)) for path in before.rglob("*") if path.is_file())
        assert names == sorted(str(path.relative_to(after)) for path in after.rglob("*") if path.is_file())
        assert [name for name in names if (before / name).read_bytes() != (after / name).read_bytes()] == []
    grid = read_text_grid(folder / "textgrids" / "test" / "mary" / "mary-test0.TextGrid")
    assert [tier.name for tier in grid.tiers] == ["phones", "aligned"]
    assert (folder / "textgrids" / "test" / "mary" / "mary-test0.wav").exists()


CHECKS: dict[str, Callable[[Path, str], None]] = {
    "docs/corpora.md": check_corpora,
    "docs/other-formats.md": check_other_formats,
    "docs/data-parallel.md": check_data_parallel,
    "docs/decoding.md": check_decoding,
    "docs/own-corpus.md": check_own_corpus,
    "docs/search.md": check_search,
    "docs/training.md": check_training,
    "docs/tutorial.md": check_tutorial,
}


def page_and_arguments(parameter: Any) -> tuple[str, list[str]]:
    (arguments,) = parameter.values
    return parameter.id.partition(": ")[0], arguments


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.soak if page in LONG else pytest.mark.slow) for page in SHELL_PAGES],
)
def test_every_shell_block_runs_in_the_order_of_its_page(page, tmp_path, shell, request):
    for module in EXTRAS.get(page, []):
        pytest.importorskip(module, reason=f"{module} (of the package's extras) is not installed")
    prepare_folder(page, tmp_path, request)
    text = "".join(block.text for block in BLOCKS if (block.page, block.language) == (page, "sh") and not block.reason)
    for shown, smaller in SMALLER.get(page, {}).items():
        assert text.count(shown) == 1
        text = text.replace(shown, smaller)
    printed = shell(text, tmp_path)
    CHECKS.get(page, lambda _folder, _printed: None)(tmp_path, printed)


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_every_python_block_runs_in_the_order_of_its_page(page, tmp_path, monkeypatch):
    for module in EXTRAS.get(page, []):
        pytest.importorskip(module, reason=f"{module} (of the package's extras) is not installed")
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks(page, "python"))
    assert "assert " in code
    exec(compile(code, page, "exec"), {})


@pytest.mark.parametrize("start", NOT_RUN)
def test_every_block_that_is_listed_as_not_run_is_there(start):
    assert [block.name for block in BLOCKS if block.language == "sh" and block.name.startswith(start)]


def test_every_block_says_its_language():
    assert {block.language for block in BLOCKS} <= {"sh", "python", "json", ""}
    plain = [block.text for block in BLOCKS if block.language == ""]
    assert [text for text in plain if "cnn-mellin" in text] == []


@pytest.mark.parametrize("arguments", commands())
def test_every_command_is_understood(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    parser().parse_args(arguments)


@pytest.mark.parametrize("page", ["README.md", "docs/own-corpus.md", "docs/recipe.md", "docs/tutorial.md"])
def test_every_training_of_a_page_has_an_end(page):
    named = re.findall(r"--read-ini (\S+)(?= .*\btrain )", "".join(blocks(page, "sh")))
    assert named
    for name in named:
        assert read_settings(name).training.num_epochs, name


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", PAGES[page]):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
            assert anchor in slugs


def test_files_that_the_readme_names_are_there():
    named = re.findall(r"`((?:src|conf|scripts|examples|docs)/[\w./-]+)`", PAGES["README.md"])
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_index_has_every_page():
    indexed = set(re.findall(r"\]\(([\w/-]+\.md)", PAGES["docs/index.md"]))
    assert indexed == {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")} - {"index.md"}


def test_the_feature_configuration_of_the_corpus_page_is_one():
    (content,) = blocks("docs/own-corpus.md", "json")
    extractor = FeatureExtractor.from_config(json.loads(content))
    assert (extractor.sample_rate_hz, extractor.num_coefficients, extractor.frame_shift_ms) == (8000, 41, 10)


def test_functions_that_the_python_page_names_are_there():
    names = re.findall(r"`(cnn_mellin\.[\w.]+)`", PAGES["docs/python-api.md"])
    assert len(set(names)) >= 8
    for name in names:
        module, _, attribute = name.rpartition(".")
        try:
            assert module == "cnn_mellin" or hasattr(import_module(module), attribute), name
            import_module(name if module == "cnn_mellin" else module)  # a package is found also before it is imported
        except ModuleNotFoundError:
            pytest.fail(f"{name} is not there")
