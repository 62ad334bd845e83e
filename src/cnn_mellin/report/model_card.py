"""Model cards: the README.md of a model that is handed on, with the metadata that Hugging Face's hub reads."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from cnn_mellin.errors import DataError
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.speakers import speakers_of
from cnn_mellin.formats.text_table import format_table
from cnn_mellin.formats.transcripts import read_phones
from cnn_mellin.report.model_size import model_size
from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.significance.bootstrap import bootstrap_difference
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors
from cnn_mellin.training.machine import read_machine
from cnn_mellin.training.model_folder import read_description

__all__ = ["CardResult", "card_result", "model_card"]

_MOST_SYMBOLS = 200


@dataclass(frozen=True)
class CardResult:
    """Phone error rate on one partition, for a model card.

    Args:
        name: what was recognised and how, such as "test, greedy".
        percent: phone error rate.
        low, high: ends of the 95 % interval, from a bootstrap over `unit`; None with only one of them.
        num_utterances, num_phones: size of the references.
        num_units: number of speakers, or of utterances if speakers are unknown.
        unit: "speakers" or "utterances".
    """

    name: str
    percent: float
    low: float | None
    high: float | None
    num_utterances: int
    num_phones: int
    num_units: int
    unit: str


def card_result(name: str, reference: str | Path, hypothesis: str | Path) -> CardResult:
    """Score a transcript for a model card.

    Speakers are those of `utt2spk` beside the references, or the part of the utterance ids before the first hyphen;
    without either, utterances are resampled.

    Args:
        name: what was recognised and how.
        reference, hypothesis: trn files.

    Raises:
        DataError: a file is not a trn file, or they hold different utterances.
    """
    reference, hypothesis = Path(reference), Path(hypothesis)
    fold = is_folded(reference.parent)
    references = read_phones(reference, fold=fold)
    try:
        scored = phone_error_rate(references, read_phones(hypothesis, fold=fold))
    except DataError as error:
        raise DataError(f"{hypothesis} against {reference}: {error}") from None
    unit = "speakers"
    try:
        speaker_of = speakers_of(references, reference.parent)
        errors = SpeakerErrors.of([scored], speaker_of)
    except DataError:
        unit = "utterances"
        errors = SpeakerErrors.of([scored], {utterance: utterance for utterance in references})
    nothing = SpeakerErrors(errors.speakers, errors.num_phones, np.zeros_like(errors.errors))
    spread = bootstrap_difference(nothing, errors)
    num_phones = int(errors.num_phones.sum())
    return CardResult(
        name, scored.percent, spread.low, spread.high, len(references), num_phones, len(errors.speakers), unit
    )


def model_card(
    folder: str | Path,
    *,
    name: str,
    corpus: str | None = None,
    language: str | None = None,
    license_id: str | None = None,
    results: Sequence[CardResult] = (),
) -> str:
    """The card of a model, as Markdown with YAML metadata.

    Args:
        folder: model folder.
        name: name of the model.
        corpus: name of the corpus that it was trained on.
        language: code of the language, such as `en`.
        license_id: identifier of the licence, such as `cc-by-4.0`.
        results: phone error rates to report.

    Raises:
        DataError: the folder is not a model folder, or `model.json` is damaged.
    """
    description = read_description(folder)
    settings = description.as_settings()
    weights, live = model_size(description)
    machine = read_machine(folder)
    kind = "convolutions in log time (Mellin)" if settings.model.convolutional_mellin else "ordinary convolutions"
    if settings.model.convolutional_layers == 0:
        kind = "no convolutions"
    shift = description.frame_shift_ms
    rows = [
        ["input", f"{description.feature_type or 'features without a name'}, {description.num_features} coefficients"]
    ]
    rows[0][1] += f" every {shift:g} ms" if shift else ""
    recurrent = f"{settings.model.recurrent_layers} recurrent layers ({settings.model.recurrent_type})"
    rows += [
        ["front end", f"{settings.model.convolutional_layers} layers, {kind}"],
        ["encoder", recurrent if settings.model.recurrent_layers else "none"],
        ["output", f"{len(description.symbols)} symbols and the blank, trained with CTC"],
        ["weights", f"{weights:,}, of which {live:,} can learn"],
        ["seed", str(description.seed)],
        ["trained with", ", ".join(f"{package} {version}" for package, version in description.versions.items())],
        ["trained on", "not stated" if machine is None else f"{machine.device}, {machine.finished[:10]}"],
    ]
    lines = [
        "---",
        _metadata(name, corpus, language, license_id, results),
        "---",
        "",
        f"# {name}",
        "",
        "An acoustic model that recognises phones in recordings, with CTC, trained with cnn-mellin.",
        "",
        "## Use",
        "",
        "```sh",
        "cnn-mellin transcribe FOLDER recording.wav",
        "```",
        "",
        "FOLDER is the folder of this file.",
        "",
        "## Model",
        "",
        format_table(["", ""], rows),
        "",
        f"Corpus: {corpus or 'not stated'}. Fingerprint of the training partition: `{description.train[:16]}`. All "
        "settings are in `settings.ini`.",
        "",
        f"Symbols: {_symbols(description.symbols)}",
        "",
        "## Results",
        "",
    ]
    lines += _result_lines(results)
    lines += [
        "",
        "## Intended use and limits",
        "",
        "The model is meant for research on phone recognition: comparing front ends, aligning and inspecting speech. "
        "It knows the speakers, recording conditions and symbols of its corpus only; on other speech, expect more "
        "errors than the table says, and measure them first. It does not recognise words and should not be used to "
        "judge or identify people.",
        "",
        "## Licence",
        "",
        f"{license_id or 'Not stated: ask whoever gave you this model before you use it or hand it on.'}",
        "",
    ]
    return "\n".join(lines)


def _result_lines(results: Sequence[CardResult]) -> list[str]:
    if not results:
        return ["Not measured."]
    rows = []
    for result in results:
        interval = "–" if result.low is None else f"{result.low:.2f} to {result.high:.2f}"
        size = f"{result.num_utterances} utterances, {result.num_phones} phones"
        rows.append([result.name, f"{result.percent:.2f}", interval, size, f"{result.num_units} {result.unit}"])
    header = ["partition", "PER, %", "95 % interval", "size", "bootstrap over"]
    return [format_table(header, rows), "", "PER: phone error rate, in percent of the phones in the reference."]


def _symbols(symbols: Sequence[str]) -> str:
    more = len(symbols) - _MOST_SYMBOLS
    shown = " ".join(f"`{symbol}`" for symbol in symbols[:_MOST_SYMBOLS])
    return f"{shown} and {more} more in `model.json`" if more > 0 else shown


def _metadata(
    name: str, corpus: str | None, language: str | None, license_id: str | None, results: Sequence[CardResult]
) -> str:
    """YAML block of Hugging Face's model cards."""
    content: dict[str, object] = {"license": license_id or "unknown", "library_name": "cnn-mellin"}
    if language is not None:
        content["language"] = language
    content["pipeline_tag"] = "automatic-speech-recognition"
    content["tags"] = ["automatic-speech-recognition", "phone-recognition", "ctc"]
    if results:
        dataset = corpus or "not stated"
        identifier = re.sub(r"[^a-z0-9]+", "-", dataset.lower()).strip("-")
        content["model-index"] = [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "automatic-speech-recognition", "name": "phone recognition"},
                        "dataset": {"type": identifier, "name": f"{dataset} ({result.name})"},
                        "metrics": [{"type": "per", "name": "phone error rate, %", "value": round(result.percent, 2)}],
                    }
                    for result in results
                ],
            }
        ]
    # json.loads turns strings of subclasses into plain ones, which yaml can write
    return yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False, allow_unicode=True).rstrip("\n")
