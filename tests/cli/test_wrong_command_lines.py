"""Wrong command lines: each ends with status 2 and one line with value, rule and remedy, and writes nothing."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")
pytest.importorskip("snakemake", reason="snakemake (the extra workflow) is not installed")

# Command line => parts of its last line, in order, separated by colons and semicolons. Each runs in a folder with a
# table of six recordings (u0.wav to u5.wav), what `prep` made of it (data), a model, its logits, transcripts, an empty
# file and an empty folder.
TABLE = """
xyzzy => xyzzy: is not a command of cnn-mellin; choose from compare, conf, corpus, data, decode
tarin TRAIN m => tarin: is not a command of cnn-mellin; did you mean train?
help tarin => tarin: is not a command of cnn-mellin; did you mean train?
verify TRAIN => verify: is not a command of cnn-mellin; did you mean cnn-mellin data verify FOLDER ...?
--colour red train TRAIN m => --colour: unknown option (cnn-mellin --help)
--read-ini train TRAIN m => data/fbank-81-10ms/train: is not a command of cnn-mellin; train comes first
--read-ini none.ini train TRAIN m => none.ini: does not exist, on disk or among the shipped files; from accurate-lcorr
--read-ini demo-mcor train TRAIN m => demo-mcor: does not exist; did you mean 'demo-mcorr'
--read-ini folder train TRAIN m => folder: is a folder; name a file (settings)
--read-ini bad.ini train TRAIN m => bad.ini: unknown section [modle]; did you mean 'model'
--read-json tiny.ini train TRAIN m => tiny.ini: JSON
--read-yaml u1.wav train TRAIN m => u1.wav: is not UTF-8 text
--read-ini fbank-81-10ms train TRAIN m => fbank-81-10ms: is a shipped file of another kind; expected settings
--device cudda:1 --read-ini tiny.ini train TRAIN m => --device cudda:1: unknown; did you mean cuda:1?
--device abacus --read-ini tiny.ini train TRAIN m => --device abacus: cannot be used here; try --device cpu
--read-ini tiny.ini train TRAIN m --device cuda:x => --device cuda:x: cannot be used here; try --device cpu
--num-threads 0 --read-ini tiny.ini train TRAIN m => --num-threads 0: must be at least 1
--num-threads many train TRAIN m => --num-threads many: must be a whole number
train => train: missing arguments: TRAIN, MODEL_DIR; expected cnn-mellin train TRAIN [DEV] MODEL_DIR
train TRAIN m => num_epochs is unset; set one of them; such as model/demo-mcorr.ini
train TRAIN => train: missing arguments: MODEL_DIR; expected cnn-mellin train TRAIN [DEV] MODEL_DIR
train none m => none: is not a data directory (there is no such folder); name the folder of a partition
train corpus.tsv m => corpus.tsv: is not a data directory (it is a file); name the folder of a partition
train folder m => folder: is not a data directory (partition.json is missing); name the folder of a partition
train data m => data: is not a data directory (partition.json is missing); name the folder of a partition
train m TRAIN => m: is not a data directory (there is no such folder); name the folder of a partition
train TRAIN none m --read-ini tiny.ini => none: is not a data directory; name the folder of a partition
train TRAIN DEV empty --read-ini tiny.ini => empty: ; name
train TRAIN empty/m --read-ini tiny.ini => empty/m: ; name
train TRAIN m --seed -1 --read-ini tiny.ini => [model] seed = -1: must be a whole number >= 0, or empty
train TRAIN m --seed 1.5 => train: --seed 1.5: must be a whole number
train TRAIN m --complie => train: --complie: unknown option; did you mean --compile?
train TRAIN m --beam-width 4 => train: --beam-width: unknown option; it is one of cnn-mellin decode
train TRAIN model --seed 7 --read-ini tiny.ini => model: holds a training with other settings; name another folder
demo demo --utterances 3 => --utterances 3: must be at least 30
demo empty => empty: ; name another
demo demo --seeds 0 => --seeds 0: must be at least 1
demo demo --epochs 0 => --epochs 0: must be at least 1
demo demo --jobs 0 => --jobs 0: must be at least 1
demo demo --utterance many => demo: --utterances many: must be a whole number
corpus => corpus: missing arguments: KIND; expected cnn-mellin corpus KIND
corpus dmeo c => corpus: dmeo: is not a kind of cnn-mellin corpus; did you mean demo?
corpus demo => corpus demo: missing arguments: DIR; expected cnn-mellin corpus demo DIR
corpus demo c --utterances 3 => --utterances 3: must be at least 30
corpus demo c --seed -1 => --seed -1: must be 0 or more
corpus demo c --jobs 0 => --jobs 0: must be at least 1
corpus demo empty => empty: ; name another
corpus demo data => data: is not a demo corpus; name another folder
prep corpus.tsv d => prep: corpus.tsv: is not a kind of cnn-mellin prep; choose from fsdd, huggingface, kaldi
prep corpus.tsv table d => prep: corpus.tsv: is not a kind of cnn-mellin prep; table comes first: cnn-mellin prep table
prep timti folder d => prep: timti: is not a kind of cnn-mellin prep; did you mean timit?
prep timit none d => none: does not exist; name the folder that holds TRAIN and TEST
prep timit folder d => folder: holds no folder TRAIN or TEST; is it the right folder?
prep timit corpus.tsv d => corpus.tsv: is not a folder; name the folder that holds TRAIN and TEST
prep timit folder => prep timit: missing arguments: DATA; expected cnn-mellin prep timit CORPUS DATA
prep timit folder d --phones 40 => prep timit: --phones 40: must be 61, 60, 48 or 39
prep table none.tsv d => none.tsv: does not exist; expected
prep table folder d => folder: cannot be read (Is a directory)
prep table empty d => empty: is empty; expected
prep table ref.trn d => ref.trn:1: audio; the first line must name audio and transcript
prep table u1.wav d => u1.wav:1: is not UTF-8 text; convert it
prep table corpus.tsv empty => empty; name
prep table corpus.tsv d --features mfcc => features mfcc: unknown; choose from fbank-81-10ms, raw, sigbank-41-2ms
prep table corpus.tsv d --features no.json => no.json: does not exist, on disk or among the shipped files; choose from
prep table corpus.tsv d --features demo-mcorr.json => demo-mcorr.json: does not exist
prep table corpus.tsv d --audio --features raw => --features: not with --audio; leave it out
prep table corpus.tsv d --shard 1 => --shard 1: needs --audio; features are not written in shards
prep table corpus.tsv d --audio --shard 1 => --shard 1: needs --shards, the number of shards per partition
prep table corpus.tsv d --audio --shards 2 --shard 2 => --shard 2: must lie in 0..1, below --shards
prep table corpus.tsv d --audio --shards 0 => --shards 0: must be at least 1
prep table corpus.tsv d --audio --sample-rate 5 => --sample-rate 5: must be at least 1000 Hz
prep table corpus.tsv d --jobs 0 => --jobs 0: must be at least 1
prep table d corpus.tsv => d: does not exist; expected
prep table --features raw corpus.tsv d => prep table: missing arguments: FILE.tsv, DATA (before --features, which takes
prep kaldi none d => none: does not exist; name one with wav.scp
prep kaldi folder d => folder: has neither a wav.scp nor a folder train; pass --parts train=FOLDER dev=FOLDER
prep kaldi corpus.tsv d => corpus.tsv: is not a folder; name one with wav.scp
prep kaldi folder d --parts =x => --parts =x: must be PARTITION=FOLDER; as in dev=dev_clean
data inof data => data: inof: is not an action of cnn-mellin data; did you mean info?
data info none => none: there is no such folder; name a folder that cnn-mellin prep wrote
data info folder => folder: holds no partition; name a folder that cnn-mellin prep wrote
data verify ref.trn => ref.trn: there is no such folder; name a folder that cnn-mellin prep wrote
data plot TEST nobody a.png => has no utterance 'nobody'; it has u5
data plot TEST u5 none/a.png => none/a.png: its folder does not exist; make it first
data plot TEST u5 a.doc => a.doc: must end in .png
data plot TEST u5 a.png --audio corpus.tsv => corpus.tsv: is not an audio file that can be read
data plot TEST u5 => data plot: missing arguments: OUT.png; expected cnn-mellin data plot PARTITION UTTERANCE OUT.png
data export none out => none: is not a data directory (there is no such folder); name the folder of a partition
data export TEST => data export: missing arguments: OUT; expected cnn-mellin data export PARTITION OUT
data import none out => none: feat/ holds no .pt file; expected one for each utterance
conf demo-mcor => conf demo-mcor: no such file ships with the program; did you mean 'demo-mcorr'
conf demo-mcorr extra => conf: unexpected argument 'extra'; expected cnn-mellin conf [NAME]
logits none TEST out => none: is not a model folder; name one that a training wrote
logits TEST model out => test: is not a model folder; name one that a training wrote
logits model none out => none: is not a data directory; name the folder of a partition
logits model TEST out --epoch 9 => model: no checkpoint of epoch 9; there are: 1
logits model TEST => logits: missing arguments: OUT; expected cnn-mellin logits MODEL_DIR PARTITION OUT
export none a.onnx => none: is not a model folder; name one that a training wrote
export a.onnx model => model: is a folder; name a file
export model none/a.onnx => none/a.onnx: folder does not exist; make it first
export model a.onnx --features sigbank-41-2ms => sigbank-41-2ms: has 41 coefficients; was trained on 81
decode none TEST h.trn => none: is not a model folder; name one that a training wrote
decode model none h.trn => none: is not a data directory; name the folder of a partition
decode model u1.wav h.trn => u1.wav: is not a data directory (it is a file); name the folder of a partition
decode TEST model h.trn => test: holds fbank-81-10ms, not logits; cnn-mellin logits writes them
decode model TEST => decode: missing arguments: OUT; expected cnn-mellin decode MODEL ... PARTITION OUT
decode model none TEST h.trn => none: is not a model folder; name one that a training wrote
decode model logits TEST h.trn --epoch 1 => --epoch 1: logits holds logits of one epoch already; leave it out
decode model TEST h.trn --beam_width 4 => decode: --beam_width: unknown option; did you mean --beam-width?
decode model TEST h.trn --beam-width 0 => --beam-width 0: must be at least 1
decode model TEST h.trn --beam-width wide => --beam-width wide: must be a whole number
decode model TEST h.trn --lm-beta 0.5 => need --beam-width: greedy search uses no language model
decode model TEST h.trn --beam-width 4 --lm-beta -1 => --lm-weight -1.0: must be at least 0
decode model TEST h.trn --beam-width 4 --lm-beta 0.5 --lm none.arpa => none.arpa:
decode model TEST h.trn --beam-width 4 --lm-beta 0.5 --lm ref.trn => ref.trn: ARPA file
decode model TEST h.trn --insertion-bonus 1 => --insertion-bonus needs --beam-width; pass --beam-width 16
decode model TEST h.trn --beam-width 4 --insertion-bonus inf => --insertion-bonus inf: must be finite
decode model TEST h.trn --blank-bias nan => --blank-bias nan: must be finite
decode model TEST h.trn --blank-bias much => --blank-bias much: must be a number
decode model TEST h.trn --beam-width 2 --num-best 3 => --num-best 3: must lie in 1..2
decode model TEST h.trn --epoch best0 => --epoch best0: must be a whole number, or best5 for the mean of the 5 best
decode model TEST h.trn --epoch best2 => model: best2: fewer epochs were trained (1)
decode logits TEST h.trn --epoch 1 => --epoch 1: leave it out
transcribe model => transcribe: missing arguments: AUDIO; expected cnn-mellin transcribe MODEL_DIR AUDIO ...
transcribe u1.wav model => u1.wav: is not a model folder; name one that a training wrote
transcribe model none.wav => none.wav:
transcribe model u1.wav --insertion-bonus 1 => --insertion-bonus needs --beam-width; pass --beam-width 16
transcribe model corpus.tsv => corpus.tsv: is not an audio file that can be read
transcribe model u1.wav --plot a.pdf => --plot a.pdf: is neither a folder nor a name that ends in .png
transcribe model u1.wav u2.wav --plot a.png => --plot a.png: is one figure for 2 files; name a folder
transcribe model u1.wav --ctm --json => --json: not allowed together with --ctm; give one
transcribe model u1.wav --out none/t.txt => none/t.txt: folder does not exist; make it first
lm => lm: missing arguments: COMMAND; expected cnn-mellin lm COMMAND
lm tarin ref.trn a.arpa => lm: tarin: is not a command of cnn-mellin lm; did you mean train?
lm train none.trn a.arpa => none.trn:
lm train u1.wav a.arpa => u1.wav: is not UTF-8 text; expected
lm train ref.trn none/a.arpa => none/a.arpa: folder does not exist; make it first
lm train ref.trn a.arpa --order 0 => --order is 0; it must be at least 1
lm train ref.trn a.arpa --order three => --order three: must be a whole number
lm train ref.trn a.arpa --tokens ref.trn => --tokens is ref.trn; it must be the token2id.txt of a data directory
lm train ref.trn a.arpa --discounts fixd => --discounts fixd: must be fixed or estimated; did you mean fixed?
lm perplexity ref.trn ref.trn => ref.trn: ARPA file
score ref.trn => score: missing arguments: hypothesis; expected cnn-mellin score
score none.trn hyp.trn => none.trn: does not exist; name a trn file
score ref.trn none.trn => none.trn: does not exist; name a trn file
score ref.trn other.trn --no-fold => other.trn against ref.trn: both must hold the same utterances
score ref.trn hyp.trn => ref.trn: 'x' is no TIMIT phone; did you mean
score ref.trn hyp.trn --format txt => --format txt: must be text, csv, json, latex or markdown; did you mean text?
score ref.trn hyp.trn --worst -1 => --worst is -1; it must be 0 or more
score ref.trn hyp.trn --convention nist => --convention nist: must be kaldi, merge-sil, optional-sil or all
score ref.trn hyp.trn hyp.trn --plot a.png => --plot a.png: plots one HYPOTHESIS; run it once for each
score ref.trn hyp.trn --plot a.svg => --plot a.svg: must end in .png
compare folder => compare: missing arguments: --references; expected cnn-mellin compare SYSTEM ...
compare folder --references EXT --replications 0 => --replications is 0; it must be at least 1
compare folder --references EXT --choose-on test => --choose-on is test; choose on dev
compare folder --references none => none
speed mp3 folder out => speed: KIND mp3: must be timit, kaldi or table
speed timit none out => none: does not exist; name the folder that holds TRAIN and TEST
speed table corpus.tsv out --rates 9 => --rates 9: must lie in 0.3..3, each once
speed table corpus.tsv out --rates fast => --rates fast: must be a number
speed table corpus.tsv out --part tset => no partition tset; its partitions are train, dev, test
speed table corpus.tsv out --features mfcc => features mfcc: unknown; choose from fbank-81-10ms, raw, sigbank-41-2ms
recipe none exp => none: does not exist; name a corpus
recipe folder exp => folder: holds no folder TRAIN or TEST; is it the right folder?
recipe empty exp => empty: is empty; expected
recipe folder => recipe: missing arguments: EXP; expected cnn-mellin recipe CORPUS EXP
recipe corpus.tsv exp --seeds 0 => --seeds 0: must be at least 1
recipe corpus.tsv exp --until tarin => --until tarin: must be one of prep, speed
recipe corpus.tsv exp --profile slrm => or the folder of a Snakemake profile; did you mean slurm?
recipe corpus.tsv exp --until trian => report; did you mean train?
recipe corpus.tsv exp --profile sge => --profile sge: is not a folder with a file config.yaml; it must be local
recipe corpus.tsv exp --models xcorr => --models xcorr: must be lcorr or mcorr
recipe corpus.tsv exp --set num_epoch=3 => --set num_epoch=3: did you mean 'num_epochs'
recipe corpus.tsv exp --settings demo-mcor => demo-mcor: does not exist; did you mean 'demo-mcorr'
recipe corpus.tsv exp --read-ini demo-mcorr => takes settings from --settings FILE
recipe corpus.tsv exp --features mfcc => has no published settings; give some with --settings FILE, or --search
recipe status none => none: holds no recipe; start one with: cnn-mellin recipe CORPUS none
step run => step run: needs a NAME
step run prep => plan.json: does not exist; expected the steps of a recipe
step runs prep => runs
report model => model: holds no recipe; start one with: cnn-mellin recipe CORPUS model
optim => optim: missing arguments: URL, ACTION; expected cnn-mellin optim URL ACTION
optim status => missing arguments: URL; expected cnn-mellin optim URL status
optim sqlite:///none.db delete => optim: delete: is not an action of cnn-mellin optim; choose from best, export
optim sqlite:///none.db status => none.db: there is no such file; create a study with
optim run sqlite:///none.db => none.db: there is no such file; create a study with
optim sqlite:///none/a.db init TRAIN --read-ini tiny.ini => none does not exist; create it first
optim nonsense status => is not a database URL; expected sqlite:///FILE
optim oracle://h/d status => 'oracle' are not known; expected sqlite:///FILE
optim env:NOT_SET status => env:NOT_SET: is not set; export it
optim mysql://me:secret@h/d status => mysql+pymysql://me@h/d: holds a password; put the URL into a variable
optim sqlite:///a.db init none --read-ini tiny.ini => none: is not a data directory; name the folder of a partition
optim sqlite:///a.db init --whitelist model.seed TRAIN => missing arguments: TRAIN_DIR (before --whitelist, which takes
optim sqlite:///a.db init TRAIN --read-ini tiny.ini --num-trials 0 => --num-trials 0: must be at least 1
optim sqlite:///a.db init TRAIN --read-ini tiny.ini --dev-proportion 2 => --dev-proportion 2.0: must lie between 0 and 1
optim sqlite:///a.db init TRAIN --read-ini tiny.ini --whitelist window => 'window': matches no setting; choose from
optim sqlite:///a.db init TRAIN --whitelist a --blacklist b => not allowed together with --whitelist; give one
optim sqlite:///a.db init TRAIN --read-ini tiny.ini --pruner best => --pruner best: must be hyperband, median or none
optim sqlite:///a.db init TRAIN --read-ini tiny.ini --pruner-min-epochs 0 => --pruner-min-epochs 0: must be at least 1
optim sqlite:///a.db init TRAIN --read-ini tiny.ini --whitelist model.window_size --pruner-min-epochs 1 => epochs (1)
optim sqlite:///a.db init TRAIN --read-ini tiny.ini --pruner none --pruner-min-epochs 2 => none ends no trial early
optim sqlite:///none.db run --sampler best => --sampler best: must be tpe, random, nsgaii, gp or qmc
optim sqlite:///none.db important --top-k 0 => --top-k 0: must be at least 1
optim sqlite:///none.db important --threshold 2 => --threshold 2: must lie from 0 to 1
"""
ROWS = [tuple(line.split(" => ")) for line in TABLE.strip().splitlines()]
PLACES = {name.upper(): f"data/fbank-81-10ms/{name}" for name in ("train", "dev", "test", "ext")}
TINY = """\
[model]
convolutional_layers = 1
convolutional_initial_channels = 2
recurrent_layers = 1
recurrent_size = 4
[training]
num_epochs = 1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder in which all command lines run."""
    folder = tmp_path_factory.mktemp("wrong")
    stream = np.random.default_rng(1)
    rows = ["audio\ttranscript\tpartition\tspeaker"]
    for i, part in enumerate(["train"] * 4 + ["dev", "test"]):
        soundfile.write(folder / f"u{i}.wav", (0.1 * stream.standard_normal(8000)).astype(np.float32), 16000)
        rows.append(f"u{i}.wav\tx y x\t{part}\ts{i}")
    files = {
        "corpus.tsv": "\n".join([*rows, ""]),
        "tiny.ini": TINY,
        "bad.ini": "[modle]\nwindow_size = 3\n",
        "empty": "",
    }
    files |= {"ref.trn": "x y x (u5)\n", "hyp.trn": "x y (u5)\n", "other.trn": "x y (u9)\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "folder").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["--quiet", "prep", "table", "corpus.tsv", "data", "--jobs", "1"]) == 0
        train = ["--quiet", "--read-ini", "tiny.ini", "train", PLACES["TRAIN"], "model", "--no-tensorboard"]
        assert main(train) == 0
        assert main(["--quiet", "logits", "model", PLACES["TEST"], "logits"]) == 0
    return folder


def state(folder: Path) -> dict[str, object]:
    """Size and time of every file, so that any change shows."""
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        about = path.stat()
        found[str(path.relative_to(folder))] = (about.st_size, about.st_mtime_ns) if path.is_file() else None
    return found


def test_the_table_has_more_than_a_hundred_command_lines_of_every_command():
    commands = {word for line, _ in ROWS for word in line.split()}
    known = set("demo corpus prep data conf train optim logits export decode transcribe lm score compare".split())
    assert known | {"speed", "recipe", "report", "step"} <= commands
    assert len({line for line, _ in ROWS}) == len(ROWS) > 150


@pytest.mark.parametrize(("line", "expected"), ROWS, ids=[line for line, _ in ROWS])
def test_wrong_command_lines_end_with_one_line_and_write_nothing(line, expected, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    before = state(place)
    words = [PLACES.get(word, word) for word in shlex.split(line)]
    try:
        status = main(words)
    except SystemExit as left:
        status = left.code  # type: ignore[assignment]
    printed = capsys.readouterr()
    assert status == 2, printed
    assert printed.out == ""
    *usage, last = printed.err.splitlines()
    assert all(text.startswith(("usage: ", " ")) for text in usage)
    assert last.startswith("cnn-mellin: ")
    assert "Traceback" not in printed.err
    rest = last
    for part in re.split("; |: ", expected):
        assert part in rest, last
        rest = rest[rest.index(part) + len(part) :]
    assert state(place) == before
