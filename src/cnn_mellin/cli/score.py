"""`cnn-mellin score`: compute phone error rates of transcripts."""

from __future__ import annotations

import argparse

from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.extras import require_packages
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.speakers import speakers_of
from cnn_mellin.formats.transcripts import read_phones
from cnn_mellin.output_place import require_output_file
from cnn_mellin.report.figures.confusions import plot_confusions
from cnn_mellin.report.score_table import ScoredFile, score_text
from cnn_mellin.scoring import CONVENTIONS, FeatureErrorRate, feature_error_rate, phone_error_rate

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Score the transcripts and print the result."""
    _check(arguments)
    fold = not arguments.no_fold and is_folded(arguments.reference.parent)
    references = read_phones(arguments.reference, fold=fold)
    speaker_of: dict[str, str] = {}
    if arguments.per_speaker:
        speaker_of = speakers_of(references, arguments.reference.parent, arguments.utt2spk)
    features: FeatureErrorRate | None = None
    conventions = CONVENTIONS if arguments.convention == "all" else (arguments.convention,)
    scored: list[ScoredFile] = []
    for path in arguments.hypothesis:
        hypotheses = read_phones(path, fold=fold)
        for convention in conventions:
            try:
                result = phone_error_rate(references, hypotheses, convention)
                rows = [("total", "", result.total)]
                if arguments.per_speaker:
                    rows += [("speaker", *item) for item in result.by_speaker(speaker_of).items()]
                if arguments.features and convention == conventions[0]:
                    features = feature_error_rate(references, hypotheses)
            except DataError as error:
                raise DataError(f"{path} against {arguments.reference}: {error}") from None
            if arguments.per_phone:
                rows += [("phone", *item) for item in result.by_phone().items()]
            if arguments.per_utterance:
                rows += [("utterance", *item) for item in result.utterances.items()]
            scored.append(ScoredFile(str(path), result, rows, features, speaker_of or None))
    if arguments.plot is not None:
        result = scored[0].result
        title = f"{scored[0].path}: {result.percent:.2f} % ({result.convention})"
        plot_confusions(*result.confusion_matrix(), arguments.plot, title=title)
    print(score_text(scored, arguments.format, worst=arguments.worst, with_matrix=arguments.confusions))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Check files and options before anything is computed."""
    for path in (arguments.reference, *arguments.hypothesis):
        if not path.exists():
            raise DataError(f"{path}: does not exist; name a trn file")
    if arguments.worst < 0:
        raise SettingsError(f"--worst is {arguments.worst}; it must be 0 or more")
    if arguments.features:
        require_packages("--features", ["features"])
    if arguments.plot is None:
        return
    if len(arguments.hypothesis) > 1 or arguments.convention == "all":
        raise SettingsError(f"--plot {arguments.plot}: plots one HYPOTHESIS under one convention; run it once for each")
    if arguments.plot.suffix != ".png":
        raise SettingsError(f"--plot {arguments.plot}: must end in .png")
    if not arguments.plot.parent.is_dir():
        raise SettingsError(f"--plot {arguments.plot}: its folder does not exist; make it first")
    require_output_file(arguments.plot, "png", arguments.reference, *arguments.hypothesis, arguments.utt2spk)
    require_packages("--plot", ["report"])
