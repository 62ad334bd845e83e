import gzip
import re

import pytest

from cnn_mellin.errors import SettingsError
from cnn_mellin.output_place import require_apart, require_output_file


def test_an_output_is_not_an_input_and_contains_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp" / "model").mkdir(parents=True)
    (tmp_path / "exp" / "a.trn").write_text("x (a)\n")
    (tmp_path / "link").symlink_to("exp/model")
    (tmp_path / "hard.trn").hardlink_to(tmp_path / "exp" / "a.trn")
    require_apart("exp/model/new", "exp/model", None)
    require_apart("exp/new", "exp/model", "none", inside=False)
    for out, read, how in (
        ("exp/model", "exp/model", "is an input"),
        ("exp/model/", "exp/model", "is the input exp/model"),
        ("link", "exp/model", "is the input exp/model"),
        ("exp/x/../model", "exp/model", "is the input exp/model"),
        ("hard.trn", "exp/a.trn", "is the input exp/a.trn"),
        ("exp", "exp/model", "contains the input exp/model"),
        (".", "exp/a.trn", "contains the input exp/a.trn"),
        ("/", "link", "contains the input link"),
        ("exp/model/new", "exp/model", "lies inside the input exp/model"),
    ):
        message = f"^{re.escape(out)}: {how}; name another output$"
        with pytest.raises(SettingsError, match=message):
            require_apart(out, read, inside=False)


OLDER = {
    "trn": b"sil aa (fs1-a)\n",
    "ctm": b"a-1 1 0.250 0.250 t\n",
    "n_best": b'{"utterance": "a", "n_best": []}\n',
    "transcriptions": b"a b.wav: 3 phones in 0.50 s\n    0.000     0.100  t\n",
    "arpa": b"\\data\\\nngram 1=3\n",
    "png": b"\x89PNG\r\n\x1a\n....",
    "html": b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">...',
    "settings": b"# use_lift: Lift the signal (True or False)\n[model]\nuse_lift = True\n",
    "names": b"model\\.window_size\n",
    "trials": b"number,state,dev_per_percent,num_epochs_reported\n",
}


@pytest.mark.parametrize("kind", OLDER)
def test_only_files_of_the_same_kind_are_replaced(tmp_path, kind):
    path = tmp_path / "out"
    require_output_file(path, kind)
    for content in (b"", OLDER[kind]):
        path.write_bytes(content)
        require_output_file(path, kind)
    others = [b"PK\x03\x04\0\0", b"\x93NUMPY\x01\0v\0", b"\xff\xfe"]
    others += [OLDER["arpa"], b"Dear Sir\n", b"[model]\nseed = 1\n", b'{"format": 1, "settings": {}}']
    for content in others:
        if kind == "arpa" and content == OLDER["arpa"]:
            continue
        path.write_bytes(content)
        with pytest.raises(
            SettingsError, match=r"out: exists and is not an? .*; name another file, or move this one away$"
        ):
            require_output_file(path, kind)


def test_every_format_of_a_kind_is_recognised(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(gzip.compress(OLDER["arpa"]))
    require_output_file(path, "arpa")
    path.write_bytes(gzip.compress(b"thesis"))
    with pytest.raises(SettingsError, match="exists and is not an ARPA file"):
        require_output_file(path, "arpa")
    for text in (b'{\n  "model": {\n', b"model:\n  seed: 1\n"):
        path.write_bytes(text)
        require_output_file(path, "settings")
    for line in (b"a-1 1 0.250 0.250 t\n", b'{"audio": "a.wav", "duration_s": 1.0}\n'):
        path.write_bytes(line)
        require_output_file(path, "transcriptions")


def test_folders_and_references_are_not_overwritten(tmp_path):
    with pytest.raises(SettingsError, match="is a folder; name a file"):
        require_output_file(tmp_path, "trn")
    reference = tmp_path / "test.ref.trn"
    reference.write_bytes(OLDER["trn"])
    require_output_file(reference, "trn")
    (tmp_path / "token2id.txt").write_text("a 0\n")
    with pytest.raises(SettingsError, match="is a reference of prepared data; name another file"):
        require_output_file(reference, "trn")
