"""Writing partitions as Parquet files that Hugging Face's library `datasets` loads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from cnn_mellin.data.exchange.labelled_audio import LabelledAudio
from cnn_mellin.extras import require_packages

__all__ = ["write_huggingface"]

_ROWS_AT_ONCE = 100  # rows of a group, each with its audio
_STRINGS = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
_NUMBERS = {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "Sequence"}


def write_huggingface(partition: str, utterances: Iterable[LabelledAudio], folder: Path, final: Path) -> int:
    """Write `PARTITION-00000-of-00001.parquet` with the columns utterance, speaker, phones and audio.

    Audio is stored in the table. The starts and ends of the phones in seconds are the columns phone_starts and
    phone_ends, those of a model's alignment aligned_starts and aligned_ends; an utterance without times has None. The
    arguments and the result are those of `write_kaldi`.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    del final  # the table names no file
    require_packages("data export to huggingface", ["huggingface"])
    import pyarrow  # of the extra huggingface
    from pyarrow import parquet

    waiting = iter(utterances)
    first = next(waiting, None)
    if first is None:
        return 0
    seconds = pyarrow.list_(pyarrow.float64())
    fields = [
        ("utterance", pyarrow.string()),
        ("speaker", pyarrow.string()),
        ("phones", pyarrow.list_(pyarrow.string())),
    ]
    fields += [(f"{kind}_{edge}", seconds) for kind in ("phone", "aligned") for edge in ("starts", "ends")]
    features: dict[str, Any] = {name: {"dtype": "string", "_type": "Value"} for name in ("utterance", "speaker")}
    features |= {"phones": _STRINGS, **{name: _NUMBERS for name, _ in fields[3:]}}
    if first.recording is not None:
        audio = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
        fields.append(("audio", audio))
        features["audio"] = {"_type": "Audio"}
    about = {"huggingface": json.dumps({"info": {"features": features}})}  # by which `datasets` knows the audio
    schema = pyarrow.schema(fields, metadata=about)
    count = 0
    with parquet.ParquetWriter(folder / f"{partition}-00000-of-00001.parquet", schema) as writer:
        group = [first, *islice(waiting, _ROWS_AT_ONCE - 1)]
        while group:
            rows = [_row(utterance) for utterance in group]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
            count += len(rows)
            group = list(islice(waiting, _ROWS_AT_ONCE))
    return count


def _row(utterance: LabelledAudio) -> dict[str, Any]:
    row: dict[str, Any] = {
        "utterance": utterance.utterance_id,
        "speaker": utterance.speaker,
        "phones": list(utterance.symbols),
    }
    for kind, segments in (("phone", utterance.segments), ("aligned", utterance.aligned)):
        if segments:
            row[f"{kind}_starts"] = [start_s for start_s, _, _ in segments]
            row[f"{kind}_ends"] = [end_s for _, end_s, _ in segments]
    if utterance.recording is not None:
        suffix, content = utterance.audio()
        row["audio"] = {"bytes": content, "path": f"{utterance.utterance_id}{suffix}"}
    return row
