"""Section on one utterance of average difficulty: its features, its sound, and the alignment of its hypothesis."""

from __future__ import annotations

from collections.abc import Sequence

from cnn_mellin.audio.speaking_rate import change_speaking_rate
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.report.figures.utterance import utterance_svg
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.report.table_cells import system_name
from cnn_mellin.report.utterance_audio import SAMPLE_RATE_HZ, flac_bytes, utterance_samples
from cnn_mellin.scoring.alignment import align
from cnn_mellin.scoring.phone_error_rate import PhoneErrorRate, phone_error_rate

__all__ = ["utterance_section"]

# Most bytes of audio, so that the page with all its figures stays below 1 MB, of which base64 takes 4/3.
_MOST_AUDIO_BYTES = 300_000


def utterance_section(results: RecipeResults) -> Section:
    """Picture, audio and alignment of a short test utterance that is of average difficulty for the best system."""
    section = Section("An utterance")
    best, path = results.median_run()
    references, hypotheses = results.transcripts(path)
    scored = phone_error_rate(references, hypotheses)
    name = _average_utterance(scored, references)
    system = system_name(best, "greedy")
    features = next(f for f in results.options.feature_names if system == f"{system.split('-')[0]}-{f}")
    data = results.folder / "data" / features
    percent = scored.utterances[name].percent
    section.text(f"{name}, of average difficulty for {system}: its phone error rate is {percent:.0f} %.")
    picture = utterance_svg(read_partition(data / "test"), name, read_symbols(data / "ext"))
    alt = f"Features of the utterance against time. Its phones: {' '.join(references[name])}."
    section.picture(picture, "Its features, and its phones as they were labelled.", alt)
    recordings, left_out = _recordings(results, name)
    if recordings:
        section.audio(recordings)
    else:
        section.text("The page has no audio of it, as the corpus cannot be read now.")
    if left_out:
        section.text(f"Left out, to keep the page small: speaking rate {', '.join(left_out)}.")
    section.folded("Alignment with what was recognised", _alignment_text(references[name], hypotheses[name]))
    at_rates = results.rate_transcripts(system)
    seeds = [f"seed{seed}" for seed in range(1, results.options.num_seeds + 1)]
    if at_rates is not None and path.parent.name in seeds:
        said, seed = at_rates[0], at_rates[1][seeds.index(path.parent.name)]
        for rate in sorted(set(results.options.sizes.speaking_rates) - {1.0}):
            at_rate = f"{name}_rate{rate:g}"
            if at_rate in said:
                alignment = _alignment_text(said[at_rate], seed[at_rate])
                section.folded(f"Alignment with what was recognised at speaking rate {rate:g}", alignment)
    return section


def _average_utterance(scored: PhoneErrorRate, references: dict[str, list[str]]) -> str:
    """The shortest of the fifth of utterances whose phone error rates are nearest to the median."""
    ranked = sorted(scored.utterances, key=lambda name: (scored.utterances[name].percent, name))
    middle = len(ranked) // 2
    around = len(ranked) // 10
    return min(ranked[middle - around : middle + around + 1], key=lambda name: (len(references[name]), name))


def _recordings(results: RecipeResults, name: str) -> tuple[dict[str, bytes], list[str]]:
    """Label -> FLAC file at each speaking rate, and the speaking rates that would make the page too large."""
    samples = utterance_samples(results, name)
    if samples is None:
        return {}, []
    rates = {1.0, *results.options.sizes.speaking_rates}
    made: dict[float, bytes] = {}
    for rate in sorted(rates, key=lambda rate: (abs(rate - 1), rate)):
        content = flac_bytes(change_speaking_rate(samples, rate, sample_rate_hz=SAMPLE_RATE_HZ))
        if len(content) + sum(map(len, made.values())) <= _MOST_AUDIO_BYTES:
            made[rate] = content
    shown = {f"Speaking rate {rate:g}{' (as recorded)' * (rate == 1)}": made[rate] for rate in sorted(made)}
    return shown, [f"{rate:g}" for rate in sorted(rates - set(made))]


def _alignment_text(reference: Sequence[str], hypothesis: Sequence[str]) -> str:
    """Three lines: what was said, what was recognised, and an x below each error."""
    lines: tuple[list[str], list[str], list[str]] = (["said"], ["recognised"], [""])
    for said, recognised in align(reference, hypothesis):
        cells = (said or "·", recognised or "·", "" if said == recognised else "x")
        width = max(map(len, cells))
        for line, cell in zip(lines, cells, strict=True):
            line.append(cell.ljust(width))
    head = max(len(line[0]) for line in lines)
    return "\n".join(" ".join([line[0].ljust(head), *line[1:]]).rstrip() for line in lines)
