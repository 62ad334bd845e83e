"""Names of files, utterances and speakers in any script and with any punctuation, from corpus to scores."""

import json
import random
import unicodedata

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.tensor_files import read_tensor_files
from cnn_mellin.formats.identifier import MAX_IDENTIFIER_BYTES, identifier_fault
from cnn_mellin.formats.speakers import read_speakers
from cnn_mellin.formats.transcripts import read_trn

LETTERS = "azAZ09ßéñøłαΩжЯѢאשםعربيहिन्दीกำ한국漢字かナ𐍈"
MARKS = "\u0301\u0308\u0327\u0653\u05b0\u093f\u20dd"
SIGNS = "'\"`$%&#~=+@^*?!<>|{}[],:;._-–—«»“”€°²½"
EMOJI = "😀🎤🐍♥️⚑"
BAD = "\x00\x07\x1b\x7f\x85\xa0\u200b\u200d\u200e\u202e\u2028\u2066\u3000\ufeff\ue000 ()/\\"
SETTINGS = """
[model]
convolutional_layers = 1
convolutional_initial_channels = 2
recurrent_layers = 1
recurrent_size = 4
window_size = 3
window_stride = 1
[training]
num_epochs = 1
seed = 1
max_time_warp = 0
[data]
batch_size = 64
"""


def random_names(count: int) -> list[str]:
    """Distinct names that follow the rule; some differ only in Unicode normalisation or case."""
    stream = random.Random(1)
    names = ["-", "--", "-x", "--help", "e\u0301", "\u00e9", "abc", "ABC", "$x_{2}$", "a" * 200, "é" * 100, "nan", "0"]
    while len(names) < count:
        kinds = stream.choices([LETTERS, MARKS, SIGNS, EMOJI], weights=[6, 1, 3, 1], k=stream.choice([1, 3, 9, 40]))
        name = "".join(stream.choice(kind) for kind in kinds)
        if stream.random() < 0.1:
            name = "-" + name
        if identifier_fault(name) is None and name not in names and not name.startswith('"'):
            names.append(name)
    return names


def bad_names(count: int) -> list[str]:
    """Names that break the rule by one character, their length or their first character."""
    stream = random.Random(2)
    # line feeds and tabs are separators in a table, and white space around a field is ignored
    names = ["." + "a", ";a", "a" * (MAX_IDENTIFIER_BYTES + 1), "é" * (MAX_IDENTIFIER_BYTES // 2 + 1)]
    while len(names) < count:
        names.append(f"{stream.choice(LETTERS[:9])}{stream.choice(BAD)}{stream.choice(LETTERS[:9])}")
    return names


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A table of 200 utterances of 0.1 s, each with its own speaker, file and name."""
    folder = tmp_path_factory.mktemp("names")
    names, stream = random_names(400), np.random.default_rng(1)
    utterances, speakers = names[:200], names[200:]
    rows = ["audio\ttranscript\tutterance\tspeaker\tpartition"]
    for i, (utterance, speaker) in enumerate(zip(utterances, speakers, strict=True)):
        # names of files and folders need not follow the rule
        place = folder / "audio" / f"{speaker[:20]} ({i})"
        place.mkdir(parents=True)
        audio = place / f"{utterance}.wav"
        soundfile.write(audio, stream.integers(-999, 999, 1600).astype(np.int16), 16000)
        partition = "train" if i % 2 else "test-ü$"
        rows.append(f"{audio.relative_to(folder)}\ta b\t{utterance}\t{speaker}\t{partition}")
    (folder / "t.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "s.ini").write_text(SETTINGS)
    assert main(["--quiet", "prep", "table", str(folder / "t.tsv"), str(folder / "data")]) == 0
    return folder, dict(zip(utterances, speakers, strict=True))


def test_names_cover_all_scripts_and_signs(corpus):
    speaker_of = corpus[1]
    names = [*speaker_of, *speaker_of.values()]
    assert len(set(names)) == 400
    everything = "".join(names)
    assert set(LETTERS + MARKS + SIGNS) <= set(everything)
    assert len({unicodedata.normalize("NFC", name) for name in names}) < 400


@pytest.mark.slow
def test_no_name_is_lost_or_merged(corpus, capsys):
    folder, speaker_of = corpus
    data = folder / "data" / "fbank-81-10ms"
    ids = {name: set(read_partition(data / name).utterance_ids) for name in ("train", "test-ü$")}
    assert ids["train"] | ids["test-ü$"] == set(speaker_of)
    assert read_speakers(data / "ext" / "utt2spk") == speaker_of
    train, test, model = str(data / "train"), str(data / "test-ü$"), str(folder / "model")
    assert main(["--quiet", "--read-ini", str(folder / "s.ini"), "train", train, test, model]) == 0
    decoding = ["--ctm", "--beam-width", "2", "--num-best", "2"]
    for source, found in ((model, folder / "a.trn"), (str(folder / "logits"), folder / "b.trn")):
        if source != model:
            assert main(["--quiet", "logits", model, test, source]) == 0
        assert main(["--quiet", "decode", source, test, str(found), *decoding]) == 0
        assert read_trn(found).keys() == ids["test-ü$"]
        lists = [json.loads(line) for line in found.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()]
        assert {entry["utterance"] for entry in lists} == ids["test-ü$"]
    capsys.readouterr()
    reference, utt2spk = str(data / "ext" / "test-ü$.ref.trn"), str(data / "ext" / "utt2spk")
    score = ["score", reference, str(folder / "a.trn"), "--no-fold", "--per-utterance", "--per-speaker"]
    assert main([*score, "--utt2spk", utt2spk, "--format", "json"]) == 0
    (scored,) = json.loads(capsys.readouterr().out)
    rates = [(rate["group"], rate["name"]) for rate in scored["rates"]]
    assert sorted(name for group, name in rates if group == "utterance") == sorted(ids["test-ü$"])
    assert sorted(name for group, name in rates if group == "speaker") == sorted(
        speaker_of[name] for name in ids["test-ü$"]
    )
    assert main(["data", "export", test, str(folder / "files")]) == 0
    exported, packed = read_tensor_files(folder / "files"), read_partition(test)
    assert sorted(exported.utterance_ids) == sorted(packed.utterance_ids)
    for i, name in enumerate(exported.utterance_ids):
        assert np.array_equal(exported.features_of(i), packed.features_of(packed.utterance_ids.index(name)))
    assert main(["data", "import", str(folder / "files"), str(folder / "again")]) == 0
    assert read_partition(folder / "again").utterance_ids == exported.utterance_ids
    assert main(["data", "verify", str(data)]) == 0


def test_kaldi_folders_with_the_same_names_give_the_same_partition(corpus, tmp_path):
    folder, _ = corpus
    kaldi = tmp_path / "train"
    kaldi.mkdir()
    rows = [line.split("\t") for line in (folder / "t.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    rows = [row for row in rows if row[4] == "train"]
    for file, lines in (
        ("wav.scp", [f"{name} {folder / audio}" for audio, _, name, _, _ in rows]),
        ("text", [f"{name} {transcript}" for _, transcript, name, _, _ in rows]),
        ("utt2spk", [f"{name} {speaker}" for _, _, name, speaker, _ in rows]),
    ):
        (kaldi / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["--quiet", "prep", "kaldi", str(tmp_path), str(tmp_path / "data")]) == 0
    ours, theirs = (read_partition(root / "data" / "fbank-81-10ms" / "train") for root in (tmp_path, folder))
    assert ours.digest == theirs.digest


@pytest.mark.parametrize("name", ["$x_{2}$", "--help"])
def test_an_utterance_of_any_name_can_be_plotted(corpus, tmp_path, name):
    folder, _ = corpus
    data = folder / "data" / "fbank-81-10ms"
    partition = next(path for path in (data / "train", data / "test-ü$") if name in read_partition(path).utterance_ids)
    assert main(["data", "plot", "--", str(partition), name, str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("column", ["utterance", "speaker", "partition"])
def test_bad_names_are_refused_with_file_and_line(tmp_path, capsys, column):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16000)
    table = tmp_path / "t.tsv"
    for name in bad_names(40):
        fields = {"audio": "a.wav", "transcript": "a", "utterance": "u", "speaker": "s", "partition": "dev"}
        good = fields | {"utterance": "v", "partition": "train"}
        rows = [list(fields), list(good.values()), list((fields | {column: name}).values())]
        table.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8", newline="")
        assert main(["prep", "table", str(table), str(tmp_path / "data")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"t.tsv:3: {column} " in line, name
        assert line.isprintable()
        assert line.endswith("; rename it")
        assert not (tmp_path / "data").exists()
