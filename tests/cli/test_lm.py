from pathlib import Path

import pytest

from cnn_mellin.cli import lm
from cnn_mellin.cli.main import parser
from cnn_mellin.errors import DataError, UserError
from cnn_mellin.formats.scoring_folding import write_folding
from cnn_mellin.language_models import NgramModel


def run(*words: object) -> int:
    return lm.run(parser().parse_args(["lm", *map(str, words)]))


@pytest.fixture
def trn(tmp_path: Path) -> Path:
    (tmp_path / "train.trn").write_text("a b a b (u1)\na b b (u2)\na b b (u3)\n")
    return tmp_path / "train.trn"


def test_train_then_perplexity(trn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arpa = trn.with_name("lm.arpa.gz")
    assert run("train", trn, arpa, "--order", 2) == 0
    trained = capsys.readouterr().out
    assert "lm.arpa.gz: 4 1-grams, 5 2-grams; perplexity of" in trained
    assert run("perplexity", arpa, trn, trn) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = NgramModel.from_arpa(arpa).perplexity(["abab", "abb", "abb"])
    assert lines == [f"{trn}: {expected:.4f} (3 utterances, 13 phones and ends)"] * 2


def test_options_change_the_model(trn: Path) -> None:
    (trn.parent / "token2id.txt").write_text("b 0\na 1\nc 2\n")
    variants: dict[str, list[object]] = {
        "plain": [],
        "tokens": ["--tokens", trn.parent / "token2id.txt"],
        "duplicates": ["--keep-duplicates"],
        "order": ["--order", 4],
    }
    for name, options in variants.items():
        run("train", trn, trn.with_name(name), *options)
    assert NgramModel.from_arpa(trn.with_name("tokens")).tokens == ("a", "b", "c")
    assert NgramModel.from_arpa(trn.with_name("order")).order == 4
    texts = [trn.with_name(name).read_text() for name in ("plain", "tokens", "duplicates", "order")]
    assert len(set(texts)) == 4


def test_phones_that_transcripts_lack_are_named(trn: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens = trn.with_name("token2id.txt")
    tokens.write_text("a 0\nb 1\n")
    run("train", trn, trn.with_name("lm.arpa"), "--tokens", tokens)
    assert not caplog.messages
    tokens.write_text("a 0\nb 1\nc 2\nax 3\n")
    run("train", trn, trn.with_name("lm.arpa"), "--tokens", tokens)
    write_folding(trn.parent, folded=True)
    run("train", trn, trn.with_name("lm.arpa"), "--tokens", tokens)
    line = f"{trn}: lacks 2 of the 4 phones of {tokens}: ax, c; decoding will hardly find them; "
    assert caplog.messages == [
        line + "other transcripts may have them",
        line + "references are folded to 39 phones for scoring; `prep --lm-order N` makes a model of all 4",
    ]


def test_bad_input_is_named_and_nothing_written(trn: Path) -> None:
    arpa = trn.with_name("lm.arpa")
    (trn.parent / "token2id.txt").write_text("a 0\n")
    with pytest.raises(UserError, match="--order is 0; it must be at least 1"):
        run("train", trn, arpa, "--order", 0)
    with pytest.raises(UserError, match="lm.arpa: its folder does not exist"):
        run("train", trn, trn.parent / "none" / "lm.arpa")
    with pytest.raises(UserError, match="--tokens is .*; it must be the token2id.txt"):
        run("train", trn, arpa, "--tokens", trn)
    with pytest.raises(DataError, match="train.trn: 1 symbols are not among the 1 tokens: b"):
        run("train", trn, arpa, "--tokens", trn.parent / "token2id.txt")
    assert not arpa.exists()
    run("train", trn, arpa)
    trn.with_name("other.trn").write_text("a x (u)\n")
    with pytest.raises(DataError, match="other.trn: 'x' is not among the 2 tokens"):
        run("perplexity", arpa, trn.with_name("other.trn"))


def test_only_a_language_model_is_replaced(trn: Path) -> None:
    other = trn.with_name("notes.txt")
    other.write_text("precious")
    for out, message in ((trn, "is an input"), (other, "notes.txt: exists and is not an ARPA file")):
        before = out.read_bytes()
        with pytest.raises(UserError, match=message):
            run("train", trn, out)
        assert out.read_bytes() == before
    for name in ("lm.arpa", "lm.arpa.gz"):
        for _ in range(2):
            assert run("train", trn, trn.with_name(name)) == 0
