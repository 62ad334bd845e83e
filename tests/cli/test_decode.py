import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings
from cnn_mellin.data.logits_folder import read_logits, write_logits
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.decoding.sequence_scores import sequence_log_probs
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.language_models import estimate_kneser_ney, write_arpa
from cnn_mellin.training import train

SYMBOLS = ["aa", "b", "sil"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with data and a briefly trained model."""
    folder = tmp_path_factory.mktemp("decode")
    data = folder / "data"
    data.mkdir()
    write_symbols(data / "ext", SYMBOLS)
    write_arpa(data / "ext" / "lm.arpa.gz", estimate_kneser_ney([["sil", "aa", "b"], ["sil", "b"]], SYMBOLS))
    stream = np.random.default_rng(1)
    for part in ("train", "dev"):
        with write_partition(data / part, PartitionDescription(4, 10.0)) as writer:
            for i in range(5):
                writer.add(f"s{i}-u", stream.uniform(0, 5, (20 + i, 4)), [2, 0, 1])
    with write_partition(data / "wide", PartitionDescription(5, 10.0)) as writer:
        writer.add("s-u", np.ones((20, 5)), [0])
    model = {"window_stride": 2, "convolutional_layers": 1, "recurrent_size": 4, "recurrent_layers": 1, "seed": 1}
    settings = Settings().updated({"model": model, "training": {"num_epochs": 1, "seed": 1}})
    train(data / "train", data / "dev", folder / "model", settings)
    return folder


def decode(trained, out, *options, part="dev") -> int:
    return main(["decode", str(trained / "model"), str(trained / "data" / part), str(out), *options])


def test_one_set_of_decoding_options_gives_one_file(trained, tmp_path):
    assert decode(trained, tmp_path / "greedy.trn") == 0
    assert decode(trained, tmp_path / "beam.trn", "--beam-width", "4", "--lm-beta", "0.5") == 0
    for name in ("greedy.trn", "beam.trn"):
        assert set(read_trn(tmp_path / name)) == {f"s{i}-u" for i in range(5)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beam.trn", "greedy.trn"]


def test_dev_and_test_can_be_decoded_into_one_folder(trained, tmp_path):
    for options in ([], ["--beam-width", "4"]):
        for part in ("dev", "train"):
            assert decode(trained, tmp_path / "system" / "1", *options, part=part) == 0
    names = {f"{part}.{options}.trn" for part in ("dev", "train") for options in ("greedy", "beam4")}
    assert {path.name for path in (tmp_path / "system" / "1").iterdir()} == names


def test_missing_folders_of_the_output_are_created(trained, tmp_path):
    assert decode(trained, tmp_path / "new" / "seed1" / "dev.trn") == 0
    assert (tmp_path / "new" / "seed1" / "dev.trn").exists()


def test_several_decoding_options_give_a_folder_for_compare(trained, tmp_path):
    options = ["--beam-width", "2", "8", "--lm-beta", "0", "0.5", "--ctm", "--num-best", "2"]
    assert decode(trained, tmp_path / "out", *options) == 0
    names = [f"dev.beam{width}{lm}" for width in (2, 8) for lm in ("", "-lm0.5")]
    expected = {name + suffix for name in names for suffix in (".trn", ".ctm", ".jsonl")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    best = read_trn(tmp_path / "out" / "dev.beam8.trn")
    for line in (tmp_path / "out" / "dev.beam8.jsonl").read_text().splitlines():
        content = json.loads(line)
        assert content["n_best"][0]["phones"] == best[content["utterance"]]
        assert content["n_best"][0]["score"] >= content["n_best"][1]["score"]
    for line in (tmp_path / "out" / "dev.beam8.ctm").read_text().splitlines():
        name, _channel, start, duration, symbol = line.split()
        assert symbol in best[name]
        assert float(start) + float(duration) <= 0.02 * 12 + 1e-6  # 12 output frames of 2 x 10 ms


def test_bonuses_and_biases_join_the_grid(trained, tmp_path):
    options = ["--beam-width", "4", "--lm-beta", "0", "0.5", "--insertion-bonus", "0", "3", "--blank-bias", "0", "-2"]
    assert decode(trained, tmp_path / "out", *options) == 0
    names = [
        f"dev.beam4{lm}{bonus}{blank}.trn"
        for lm in ("", "-lm0.5")
        for bonus in ("", "-bonus+3")
        for blank in ("", "-blank-2")
    ]
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)
    sizes = [sum(map(len, read_trn(tmp_path / "out" / name).values())) for name in names[4:]]
    assert sizes[0] < min(sizes[1:3])
    assert max(sizes[1:3]) <= sizes[3]
    assert decode(trained, tmp_path / "one.trn", "--beam-width", "4", "--lm-beta", "0.5", "--insertion-bonus", "3") == 0
    assert (tmp_path / "one.trn").read_text() == (tmp_path / "out" / "dev.beam4-lm0.5-bonus+3.trn").read_text()


def test_greedy_search_takes_biases_of_the_blank(trained, tmp_path):
    assert decode(trained, tmp_path / "out", "--blank-bias", "0", "9") == 0
    sizes = [sum(map(len, read_trn(tmp_path / "out" / f"dev.greedy{name}.trn").values())) for name in ("", "-blank+9")]
    assert sizes[0] > sizes[1] == 0


def test_times_need_the_frame_shift(tmp_path, capsys):
    with write_partition(tmp_path / "dev", PartitionDescription(4)) as writer:
        writer.add("u", np.ones((4, 4)), [])
    logits = [(["u"], 20 * torch.eye(3)[[2, 0, 0, 2]][None], torch.tensor([4]))]
    write_logits(tmp_path / "logits", logits, ["aa", "b"])
    words = ["--quiet", "decode", str(tmp_path / "logits"), str(tmp_path / "dev"), str(tmp_path / "o.trn")]
    assert main([*words, "--ctm"]) == 2
    assert "dev does not hold the frame shift, which times need; pass --frame-shift-ms MS" in capsys.readouterr().err
    assert not (tmp_path / "o.trn").exists()
    assert main(words) == 0
    assert main([*words, "--ctm", "--frame-shift-ms", "2"]) == 0
    assert (tmp_path / "o.ctm").read_text().split()[2:] == ["0.0020", "0.0040", "aa"]


def test_untrained_weights_can_be_decoded(trained, tmp_path):
    assert decode(trained, tmp_path / "a.trn", "--epoch", "0") == 0


def test_the_mean_of_the_best_epochs_can_be_decoded(trained, tmp_path):
    assert decode(trained, tmp_path / "a.trn", "--epoch", "best1") == 0
    assert decode(trained, tmp_path / "b.trn") == 0
    assert (tmp_path / "a.trn").read_text() == (tmp_path / "b.trn").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--beam-width", "0"], "--beam-width 0: must be at least 1"),
        (["--beam-width", "4", "--lm-beta", "-1"], "--lm-weight -1.0: must be at least 0"),
        (["--beam-width", "4", "--lm-beta", "nan"], "--lm-weight nan: must be at least 0"),
        (["--lm-beta", "0.5"], "--lm and --lm-weight need --beam-width"),
        (
            ["--insertion-bonus", "0", "1"],
            "--insertion-bonus needs --beam-width: greedy search has no scores to add it",
        ),
        (["--beam-width", "4", "--insertion-bonus", "nan"], "--insertion-bonus nan: must be finite"),
        (["--blank-bias", "inf"], "--blank-bias inf: must be finite"),
        (["--blank-bias", "1.00000001", "1.00000002"], "decoding options greedy-blank+1: given twice (up to 6 digits)"),
        (["--num-best", "2"], "--num-best 2: needs --beam-width above 1"),
        (["--beam-width", "4", "--num-best", "5"], "--num-best 5: must lie in 1..4, the narrowest beam"),
        (["--beam-width", "4", "--lm-beta", "1", "--lm", "none.arpa"], "none.arpa"),
        (["--beam-width", "4", "--lm", "none.arpa"], "--lm none.arpa has no weight; pass --lm-weight above 0"),
        (["--lm", "none.arpa"], "--lm none.arpa has no weight"),
        (["--ctm", "--frame-shift-ms", "0"], "--frame-shift-ms 0.0: must be above 0"),
        (["--ctm", "--frame-shift-ms", "5"], "--frame-shift-ms 5: "),
        (["--combine", "sequences", "--beam-width", "4"], "--combine sequences: needs several models and --beam-width"),
        (["--epoch", "9"], "no checkpoint of epoch 9; there are: 1"),
        (["--epoch", "best2"], "model: best2: fewer epochs were trained (1)"),
    ],
)
def test_wrong_options_are_one_line_and_write_nothing(trained, tmp_path, capsys, options, message):
    assert decode(trained, tmp_path / "out", *options) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_another_number_of_coefficients_is_refused(trained, tmp_path, capsys):
    assert decode(trained, tmp_path / "out.trn", part="wide") == 2
    assert "has 5 coefficients per frame, but" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def logits(trained):
    folder = trained / "logits-dev"
    assert main(["logits", str(trained / "model"), str(trained / "data" / "dev"), str(folder)]) == 0
    return folder


def test_logits_decode_as_their_model(trained, logits, tmp_path):
    options = ["--beam-width", "1", "4", "--lm-beta", "0", "0.5", "--ctm", "--num-best", "1"]
    assert decode(trained, tmp_path / "model", *options) == 0
    assert main(["decode", str(logits), str(trained / "data" / "dev"), str(tmp_path / "logits"), *options]) == 0
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert len(names) == 8
    assert names == {path.name for path in (tmp_path / "logits").iterdir()}
    for name in names:
        assert (tmp_path / "model" / name).read_text() == (tmp_path / "logits" / name).read_text()


def utterance_logits(folder: Path) -> dict[str, torch.Tensor]:
    """Logits (T', V) of each utterance in a folder of logits."""
    return {
        name: rows[:length]
        for names, batch, lengths in read_logits(folder).batches()
        for name, rows, length in zip(names, batch, lengths.tolist(), strict=True)
    }


@pytest.fixture(scope="module")
def other(trained):
    """Another trained model."""
    model = {"window_stride": 2, "convolutional_layers": 1, "recurrent_size": 4, "recurrent_layers": 1, "seed": 2}
    chosen = Settings().updated({"model": model, "training": {"num_epochs": 1, "seed": 2}})
    train(trained / "data" / "train", trained / "data" / "dev", trained / "other", chosen)
    return trained / "other"


def test_several_models_are_an_ensemble(trained, logits, other, tmp_path, capsys):
    settings = (trained / "model" / "model.json").read_bytes()
    partition = trained / "data" / "dev"
    assert main(["logits", str(other), str(partition), str(tmp_path / "logits")]) == 0
    found = [utterance_logits(folder) for folder in (logits, tmp_path / "logits")]
    means = [
        ([name], torch.log((rows.softmax(1) + found[1][name].softmax(1)) / 2)[None], torch.tensor([len(rows)]))
        for name, rows in found[0].items()
    ]
    write_logits(tmp_path / "mean", means, SYMBOLS, frame_shift_ms=20.0)
    options = ["--beam-width", "4", "--lm-beta", "0", "0.5", "--ctm", "--num-best", "2"]
    for models, out in (
        ([trained / "model", other], "models"),
        ([logits, other], "mixed"),
        ([tmp_path / "mean"], "by hand"),
    ):
        assert main(["decode", *map(str, models), str(partition), str(tmp_path / out), *options]) == 0
    names = {path.name for path in (tmp_path / "models").iterdir()}
    assert len(names) == 6
    for name in names:
        ensemble, mixed, by_hand = ((tmp_path / out / name).read_text() for out in ("models", "mixed", "by hand"))
        assert ensemble == mixed
        if not name.endswith(".jsonl"):  # scores of float32 logits differ by rounding
            assert ensemble == by_hand
    capsys.readouterr()
    assert main(["decode", str(trained / "model"), str(other), str(partition), str(other)]) == 2
    assert "is an input; name another output" in capsys.readouterr().err
    assert (trained / "model" / "model.json").read_bytes() == settings


def test_models_combined_by_sequences_score_them_together(trained, logits, other, tmp_path, capsys):
    partition = str(trained / "data" / "dev")
    command = ["decode", str(trained / "model"), str(other), partition, str(tmp_path / "out.trn")]
    options = ["--combine", "sequences", "--beam-width", "8", "--insertion-bonus", "0.5", "--num-best", "3"]
    assert main([*command, *options]) == 0
    assert main(["logits", str(other), partition, str(tmp_path / "logits")]) == 0
    models = [utterance_logits(folder) for folder in (logits, tmp_path / "logits")]
    lists = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {row["utterance"] for row in lists} == set(models[0])
    for row in lists:
        sequences = [[SYMBOLS.index(phone) for phone in best["phones"]] for best in row["n_best"]]
        scores = sum(sequence_log_probs(model[row["utterance"]], sequences) for model in models) / 2
        scores += torch.tensor([0.5 * len(classes) for classes in sequences])
        assert [best["score"] for best in row["n_best"]] == pytest.approx(scores.tolist(), abs=1e-3)
    capsys.readouterr()
    assert main([*command, "--combine", "sequences"]) == 2
    assert "--combine sequences: needs several models and --beam-width" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--beam-width", "4")])
def test_empty_recognitions_are_named_counted_and_written(tmp_path, capsys, options):
    sure = {"loud": [0, 0, 2, 1], "silent": [2, 2], "spoken": [1]}  # classes: two symbols and the blank
    with write_partition(tmp_path / "dev", PartitionDescription(4, 10.0)) as writer:
        for name, classes in sure.items():
            writer.add(name, np.ones((len(classes), 4)), [])
    batches = [
        ([name], 20 * torch.eye(3)[classes][None], torch.tensor([len(classes)])) for name, classes in sure.items()
    ]
    write_logits(tmp_path / "logits", batches, ["aa", "b"], frame_shift_ms=10.0)
    assert (
        main(["--quiet", "decode", str(tmp_path / "logits"), str(tmp_path / "dev"), str(tmp_path / "o.trn"), *options])
        == 0
    )
    assert capsys.readouterr().out.endswith(", 1 of them empty: silent\n")
    assert read_trn(tmp_path / "o.trn") == {"loud": ["aa", "b"], "silent": [], "spoken": ["b"]}


def test_logits_of_other_utterances_are_refused(trained, logits, tmp_path, capsys):
    with write_partition(tmp_path / "more", PartitionDescription(4, 10.0)) as writer:
        for i in range(6):
            writer.add(f"s{i}-u", np.ones((20, 4)), [0])
    with write_partition(tmp_path / "fewer", PartitionDescription(4, 10.0)) as writer:
        writer.add("s0-u", np.ones((20, 4)), [0])
    for part, message in (("more", "lacks 1 utterances of"), ("fewer", "has 4 utterances that are not in")):
        assert main(["decode", str(logits), str(tmp_path / part), str(tmp_path / "out.trn")]) == 2
        assert f"logits-dev: {message}" in capsys.readouterr().err
    assert main(["decode", str(logits), str(trained / "data" / "dev"), str(tmp_path / "o"), "--epoch", "1"]) == 2
    assert "--epoch 1: " in capsys.readouterr().err
    assert main(["decode", str(tmp_path / "more"), str(tmp_path / "more"), str(tmp_path / "o")]) == 2
    assert "holds features without a name, not logits" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"more", "fewer"}


def test_only_transcripts_are_replaced(trained, tmp_path, capsys):
    model = (trained / "model" / "model.json").read_bytes()
    (tmp_path / "notes.trn").write_text("precious")
    (tmp_path / "hyp.ctm").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dev.beam4.trn").write_text("precious\n")
    reference = trained / "data" / "ext" / "dev.ref.trn"
    reference.write_text("sil b (s1-u)\n")
    for out, options, message in (
        (tmp_path / "notes.trn", [], "exists and is not a trn file; name another file, or move this one away"),
        (trained / "model" / "model.json", [], "is a file, and OUT is a folder unless it ends in .trn; name another"),
        (reference, [], "is a reference of prepared data; name another file"),
        (trained / "data" / "dev", [], "is an input; name another output"),
        (tmp_path / "out", ["--beam-width", "2", "4"], ""),
        (trained / "data" / "dev", ["--beam-width", "2", "4"], "is an input; name another output"),
        (tmp_path / "out.trn", ["--beam-width", "2", "4"], "is one file for 2 sets of decoding options; name a folder"),
    ):
        assert decode(trained, out, *options) == 2
        printed = capsys.readouterr()
        assert (printed.out, printed.err.count("\n")) == ("", 1)
        named = f"{out}: {message}" if message else f"{out / 'dev.beam4.trn'}: exists and is not a trn file"
        assert f"cnn-mellin: {named}" in printed.err
    assert not (tmp_path / "out" / "dev.beam2.trn").exists()
    assert decode(trained, tmp_path / "hyp.trn", "--ctm") == 2
    assert f"cnn-mellin: {tmp_path / 'hyp.ctm'}: exists and is not a ctm file" in capsys.readouterr().err
    assert (trained / "model" / "model.json").read_bytes() == model
    assert (tmp_path / "notes.trn").read_text() == (tmp_path / "hyp.ctm").read_text() == "precious"
    assert reference.read_text() == "sil b (s1-u)\n"
    for _ in range(2):
        assert decode(trained, tmp_path / "again.trn", "--ctm", "--num-best", "2", "--beam-width", "4") == 0


def test_leftovers_of_a_killed_run_are_deleted_by_the_next(trained, tmp_path):
    for name in (".a.trn.0123abcd.partial", ".a.trn.0123abcd.lock", ".b.trn.0123abcd.partial"):
        (tmp_path / name).write_text("half")
    assert decode(trained, tmp_path / "a.trn") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.trn.0123abcd.partial", "a.trn"]
