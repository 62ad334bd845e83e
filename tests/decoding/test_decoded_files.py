import json

import pytest
import torch

from cnn_mellin.decoding import DecoderSetting, LogitSource, decode_to_files
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.transcripts import read_trn


def source(folder, **options) -> LogitSource:
    classes = [[0, 0, 2, 1], [2, 2, 2, 2]]
    batch = (["spoken", "silent"], 9 * torch.eye(3)[torch.tensor(classes)], torch.tensor([4, 3]))
    return LogitSource(folder / "dev", 2, ["aa", "b"], iter([batch]), **options)


def test_one_setting_is_a_file_and_several_are_a_folder(tmp_path):
    (file,) = decode_to_files(source(tmp_path), tmp_path / "new" / "hyp.trn", [DecoderSetting()])
    assert (file.num_utterances, file.empty_utterances) == (2, ["silent"])
    assert read_trn(file.path) == {"spoken": ["aa", "b"], "silent": []}
    settings = [DecoderSetting(2), DecoderSetting(4)]
    files = decode_to_files(source(tmp_path), tmp_path / "out", settings, num_best=2)
    assert [(file.path.name, file.setting) for file in files] == [
        ("dev.beam2.trn", settings[0]),
        ("dev.beam4.trn", settings[1]),
    ]
    lists = [json.loads(line) for line in (tmp_path / "out" / "dev.beam4.jsonl").read_text().splitlines()]
    assert [entry["n_best"][0]["phones"] for entry in lists] == [[], ["aa", "b"]]
    assert not list((tmp_path / "out").glob("*.ctm"))


@pytest.mark.parametrize("setting", [DecoderSetting(), DecoderSetting(4)])
@pytest.mark.parametrize(("known", "given"), [(10.0, None), (None, 10.0), (10.0, 10.0)])
def test_times_are_frames_times_shift_and_stride(tmp_path, setting, known, given):
    logits = source(tmp_path, frame_shift_ms=known, stride=3)
    decode_to_files(logits, tmp_path / "hyp.trn", [setting], with_times=True, frame_shift_ms=given)
    rows = [line.split() for line in (tmp_path / "hyp.ctm").read_text().splitlines()]
    assert [(name, float(start), float(end), phone) for name, _, start, end, phone in rows] == [
        ("spoken", 0.0, 0.06, "aa"),
        ("spoken", 0.09, 0.03, "b"),
    ]


def test_what_cannot_be_written_is_refused_before_logits_are_computed(tmp_path):
    def decode(out, known=None, **options):
        def batches():
            raise AssertionError("computed")
            yield

        logits = LogitSource(tmp_path / "dev", 2, ["aa", "b"], batches(), known)
        decode_to_files(logits, out, [DecoderSetting()], **options)

    with pytest.raises(SettingsError, match="dev does not tell its frame shift; give frame_shift_ms"):
        decode(tmp_path / "a.trn", with_times=True)
    with pytest.raises(SettingsError, match=r"frame_shift_ms is 5, but .*dev has 10; omit it"):
        decode(tmp_path / "a.trn", 10.0, with_times=True, frame_shift_ms=5.0)
    (tmp_path / "notes.trn").write_text("precious")
    with pytest.raises(SettingsError, match="notes.trn: exists and is"):
        decode(tmp_path / "notes.trn")
    with pytest.raises(SettingsError, match="is an input; name another output"):
        decode(tmp_path / "lm.arpa", inputs=[tmp_path / "lm.arpa"])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.trn"]
