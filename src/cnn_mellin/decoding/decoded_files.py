"""Transcript files of a partition, decoded with one or several decoding options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from cnn_mellin.config.decoder_setting import DecoderSetting
from cnn_mellin.data.logits_folder import LogitBatch
from cnn_mellin.decoding.logit_source import LogitSource
from cnn_mellin.decoding.n_best import write_n_best
from cnn_mellin.decoding.recognition import Recognition, recognise
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.transcripts import write_ctm, write_trn
from cnn_mellin.language_models import NgramModel
from cnn_mellin.output_place import require_apart, require_output_file

__all__ = ["DecodedFile", "decode_to_files", "decoded_paths", "require_decodable"]


@dataclass(frozen=True)
class DecodedFile:
    """Transcript file that was written.

    Args:
        path: the trn file; a ctm file and N-best lists have the same name with the suffixes .ctm and .jsonl.
        setting: decoding options.
        num_utterances: number of utterances in the file.
        empty_utterances: ids of the utterances in which nothing was recognised.
    """

    path: Path
    setting: DecoderSetting
    num_utterances: int
    empty_utterances: list[str]


def decode_to_files(
    source: LogitSource,
    out: str | Path,
    settings: Sequence[DecoderSetting],
    *,
    language_model: NgramModel | None = None,
    num_best: int = 1,
    with_times: bool = False,
    frame_shift_ms: float | None = None,
    inputs: Sequence[str | Path | None] = (),
    quiet: bool = True,
) -> list[DecodedFile]:
    r"""Decode a partition with each of several decoding options, and write the transcripts.

    Logits are computed once, however many decoding options there are.

    Args:
        source: logits of the partition.
        out: trn file, whose name ends in .trn, or folder, in which the files get the names of `decoded_paths`; missing
            folders are created.
        settings: decoding options, at least one.
        language_model: language model of the symbols; required if a setting gives it a weight.
        num_best: maximum number of sequences per utterance; above 1, N-best lists are written beside each trn file.
        with_times: write the times of the best sequence beside each trn file, as ctm.
        frame_shift_ms: milliseconds between input frames, for `with_times` if the source does not know it.
        inputs: files and folders that must not be overwritten, besides the partition.
        quiet: show no progress bars.

    Returns:
        One record per setting, in the same order.

    Raises:
        SettingsError: an output file would replace an input or a file of another kind, a trn file is named for several
            settings, two settings have the same name, or the frame shift is unknown or contradicts that of the source.
        ValueError: the logits or options are invalid for the search.

    >>> import tempfile
    >>> import torch
    >>> batch = (["u"], 9 * torch.eye(3)[torch.tensor([[0, 0, 2, 1]])], torch.tensor([4]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = LogitSource(Path(folder) / "dev", 1, ["aa", "b"], [batch])
    ...     files = decode_to_files(source, folder + "/out", [DecoderSetting(), DecoderSetting(4)])
    ...     [(file.path.name, file.path.read_text()) for file in files]
    [('dev.greedy.trn', 'aa b (u)\n'), ('dev.beam4.trn', 'aa b (u)\n')]
    """
    paths = decoded_paths(out, source.partition_path.name, settings)
    require_decodable(out, paths, [source.partition_path, *inputs], num_best=num_best, with_times=with_times)
    shift_s = _output_shift_s(source, frame_shift_ms) if with_times else 0.0
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    batches = list(_shown(source, quiet=quiet))
    files = []
    progress = tqdm(settings, "decode", unit="setting", disable=quiet or len(settings) == 1 or None)
    for setting, path in zip(progress, paths, strict=True):
        found = recognise(batches, setting, language_model, num_best=num_best, with_segments=with_times)
        _write(path, found, source.symbols, shift_s if with_times else None, n_best=num_best > 1)
        empty = [name for name, recognition in found.items() if not recognition.classes]
        files.append(DecodedFile(path, setting, len(found), empty))
    return files


def decoded_paths(out: str | Path, partition_name: str, settings: Sequence[DecoderSetting]) -> list[Path]:
    """Trn file of each setting: `out` itself if its name ends in .trn, else `out/PARTITION.SETTING.trn`.

    Raises:
        SettingsError: `out` is one trn file for several settings, or two settings have the same name.

    >>> [str(path) for path in decoded_paths("out", "dev", [DecoderSetting(), DecoderSetting(8, 0.4)])]
    ['out/dev.greedy.trn', 'out/dev.beam8-lm0.4.trn']
    >>> [str(path) for path in decoded_paths("out/dev.trn", "dev", [DecoderSetting()])]
    ['out/dev.trn']
    """
    if Path(out).name.endswith(".trn"):
        if len(settings) > 1:
            raise SettingsError(f"{out}: is one file for {len(settings)} sets of decoding options; name a folder")
        return [Path(out)]
    names = [setting.name for setting in settings]
    duplicates = [name for name in names if names.count(name) > 1]
    if duplicates:
        raise SettingsError(f"decoding options {duplicates[0]}: given twice (up to 6 digits); leave one out")
    return [Path(out) / f"{partition_name}.{setting.name}.trn" for setting in settings]


def require_decodable(
    out: str | Path,
    paths: Sequence[Path],
    inputs: Sequence[str | Path | None],
    *,
    num_best: int = 1,
    with_times: bool = False,
) -> None:
    """Raise a SettingsError if a file that `decode_to_files` writes would replace an input or a file of another kind.

    Args:
        out: trn file or folder.
        paths: trn files.
        inputs: files and folders that are read.
        num_best, with_times: as in `decode_to_files`.
    """
    if Path(out) not in paths:
        require_apart(out, *inputs, around=True)
        if Path(out).is_file():
            raise SettingsError(f"{out}: is a file, and OUT is a folder unless it ends in .trn; name another output")
    for path in paths:
        require_output_file(path, "trn", *inputs)
        if with_times:
            require_output_file(path.with_suffix(".ctm"), "ctm", *inputs)
        if num_best > 1:
            require_output_file(path.with_suffix(".jsonl"), "n_best", *inputs)


def _output_shift_s(source: LogitSource, given_ms: float | None) -> float:
    """Seconds between consecutive output frames."""
    known_ms = source.frame_shift_ms
    if known_ms is None and given_ms is None:
        raise SettingsError(f"with_times: {source.partition_path} does not tell its frame shift; give frame_shift_ms")
    if known_ms is not None and given_ms is not None and known_ms != given_ms:
        raise SettingsError(f"frame_shift_ms is {given_ms:g}, but {source.partition_path} has {known_ms:g}; omit it")
    return source.stride * float(known_ms or given_ms or 0) / 1000


def _shown(source: LogitSource, *, quiet: bool) -> Iterator[LogitBatch]:
    """The batches of a source, with a progress bar."""
    with tqdm(total=source.num_utterances, desc="logits", unit="utt", disable=quiet or None) as progress:
        for batch in source.batches:
            yield batch
            progress.update(len(batch[0]))


def _write(
    path: Path, found: Mapping[str, Recognition], symbols: Sequence[str], shift_s: float | None, *, n_best: bool
) -> None:
    write_trn(path, {name: [symbols[c] for c in recognition.classes] for name, recognition in found.items()})
    if shift_s is not None:
        times = {
            name: [(first * shift_s, end * shift_s, symbols[c]) for c, first, end in recognition.segments]
            for name, recognition in found.items()
        }
        write_ctm(path.with_suffix(".ctm"), times)
    if n_best:
        lists = {
            name: [([symbols[c] for c in classes], score) for classes, score in recognition.n_best]
            for name, recognition in found.items()
        }
        write_n_best(path.with_suffix(".jsonl"), lists)
