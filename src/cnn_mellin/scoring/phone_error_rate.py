"""Phone error rate, under the conventions of published results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cnn_mellin.errors import DataError
from cnn_mellin.formats.look_alikes import look_alike_warning, look_alikes
from cnn_mellin.scoring.convention import CONVENTIONS, Convention, align_by_convention, is_right, require_convention
from cnn_mellin.scoring.error_counts import ErrorCounts
from cnn_mellin.utterance_names import name_utterances

__all__ = ["CONVENTIONS", "Convention", "PhoneErrorRate", "phone_error_rate", "require_same_utterances"]


@dataclass
class PhoneErrorRate:
    """Result of scoring.

    Args:
        convention: convention for scoring silence.
        total: error counts of all utterances together.
        utterances: utterance -> its error counts.
        pairs: number of times each reference phone (None: insertion) was aligned with each recognised phone (None:
            deletion), including correct pairs and excluding deletions of optional silence.
        empty_hypotheses: utterances in which nothing was recognised; all their phones are deletions.
        empty_references: utterances without a reference phone; all their recognised phones are insertions.
        unseen_symbols: recognised symbol that occurs in no reference -> number of times; each is an error.
    """

    convention: Convention
    total: ErrorCounts = field(default_factory=ErrorCounts)
    utterances: dict[str, ErrorCounts] = field(default_factory=dict)
    pairs: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    empty_hypotheses: list[str] = field(default_factory=list)
    empty_references: list[str] = field(default_factory=list)
    unseen_symbols: dict[str, int] = field(default_factory=dict)

    @property
    def percent(self) -> float:
        """Phone error rate in percent."""
        return self.total.percent

    @property
    def confusions(self) -> Counter[tuple[str | None, str | None]]:
        """Number of times each reference phone (None: insertion) was taken for another (None: deletion)."""
        return Counter({pair: count for pair, count in self.pairs.items() if pair[0] != pair[1]})

    @property
    def remarks(self) -> list[str]:
        """Warnings about empty transcripts, and about recognised symbols that occur in no reference.

        >>> phone_error_rate({"a": ["t"], "b": ["d"]}, {"a": ["t"], "b": []}).remarks
        ['nothing recognised in 1 utterances: b']
        """
        lines = [
            f"{what} in {len(names)} utterances: {name_utterances(names)}"
            for what, names in (("nothing recognised", self.empty_hypotheses), ("no reference", self.empty_references))
            if names
        ]
        if self.unseen_symbols:
            unseen = ", ".join(f"{symbol} {count} times" for symbol, count in self.unseen_symbols.items())
            lines.append(f"recognised, but in no reference: {unseen}")
            spoken = {reference for reference, _ in self.pairs if reference is not None}
            groups = look_alikes(spoken | self.unseen_symbols.keys())
            twins = {symbol for group in groups if self.unseen_symbols.keys() & group for symbol in group}
            if twins:
                lines.append(look_alike_warning(twins))
        return lines

    def worst_confusions(self, most: int = 10) -> list[tuple[str | None, str | None, int]]:
        """Most frequent confusions (reference phone, recognised phone, count), equal counts sorted by name."""
        ranked = sorted(self.confusions.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1] or ""))
        return [(reference, recognised, count) for (reference, recognised), count in ranked[:most]]

    def by_phone(self) -> dict[str, ErrorCounts]:
        """Error counts of each phone, sorted by name: its substitutions and deletions, and insertions of it."""
        phones: dict[str, ErrorCounts] = {}
        for (reference, recognised), count in self.pairs.items():
            if reference is None:
                assert recognised is not None
                phones.setdefault(recognised, ErrorCounts()).insertions += count
                continue
            counts = phones.setdefault(reference, ErrorCounts())
            counts.num_phones += count
            counts.deletions += count if recognised is None else 0
            counts.substitutions += count if recognised not in (None, reference) else 0
        return dict(sorted(phones.items()))

    def by_speaker(self, speaker_of: Mapping[str, str]) -> dict[str, ErrorCounts]:
        """Error counts of each speaker, sorted by name.

        Args:
            speaker_of: utterance -> speaker.

        Raises:
            DataError: an utterance has no speaker.
        """
        strangers = sorted(set(self.utterances) - set(speaker_of))
        if strangers:
            raise DataError(f"{len(strangers)} utterances have no speaker: {name_utterances(strangers)}")
        speakers: dict[str, ErrorCounts] = {}
        for utterance_id, counts in self.utterances.items():
            speaker = speaker_of[utterance_id]
            speakers[speaker] = speakers.get(speaker, ErrorCounts()) + counts
        return dict(sorted(speakers.items()))

    def confusion_matrix(self) -> tuple[list[str | None], list[list[int]]]:
        """Table of all pairs.

        Returns:
            The phones, sorted, with None last; and one row per reference phone (None: insertions), with the number of
            times that it was recognised as each phone (None: deletions).
        """
        phones: list[str | None] = [
            *sorted({phone for pair in self.pairs for phone in pair if phone is not None}),
            None,
        ]
        return phones, [[self.pairs[reference, recognised] for recognised in phones] for reference in phones]


def phone_error_rate(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, Sequence[str]],
    convention: Convention = "kaldi",
    *,
    phones: Collection[str] | None = None,
) -> PhoneErrorRate:
    """Score hypotheses against references.

    Args:
        references: utterance -> phones (for TIMIT, of the 39 set).
        hypotheses: utterance -> recognised phones, for the same utterances.
        convention: convention for scoring silence, as in `align_by_convention`.
        phones: symbols that may occur; None allows any symbol.

    Raises:
        ValueError: the convention is unknown.
        DataError: references and hypotheses hold different utterances or none, or a symbol is not among `phones`.

    >>> result = phone_error_rate({"a": ["sil", "ah", "b"]}, {"a": ["ah", "b", "b"]})
    >>> round(result.percent, 1), result.total
    (66.7, ErrorCounts(num_phones=3, substitutions=0, deletions=1, insertions=1))
    """
    require_convention(convention)
    require_same_utterances(references, hypotheses)
    if phones is not None:
        _check_phones(references, set(phones), "references")
        _check_phones(hypotheses, set(phones), "hypotheses")
    result = PhoneErrorRate(convention)
    for utterance_id, reference in references.items():
        hypothesis = hypotheses[utterance_id]
        aligned = align_by_convention(reference, hypothesis, convention)
        pairs = [pair for pair in aligned if pair[0] == pair[1] or not is_right(pair, convention)]
        counts = ErrorCounts(sum(r is not None for r, _ in aligned))
        counts.insertions = sum(r is None for r, _ in pairs)
        counts.deletions = sum(h is None for _, h in pairs)
        counts.substitutions = sum(r != h for r, h in pairs) - counts.insertions - counts.deletions
        result.utterances[utterance_id] = counts
        result.total += counts
        result.pairs.update(pairs)
        if not hypothesis:
            result.empty_hypotheses.append(utterance_id)
        if not reference:
            result.empty_references.append(utterance_id)
    seen = {symbol for reference in references.values() for symbol in reference}
    recognised = Counter(symbol for hypothesis in hypotheses.values() for symbol in hypothesis)
    result.unseen_symbols = {symbol: recognised[symbol] for symbol in sorted(set(recognised) - seen)}
    return result


def require_same_utterances(references: Mapping[str, object], hypotheses: Mapping[str, object]) -> None:
    """Raise a DataError if references and hypotheses hold different utterances, or none.

    >>> require_same_utterances({"a": ["t"]}, {"a": []})
    """
    if not references:
        raise DataError("there is no reference to score against; give at least one utterance")
    for name, here, there in (("hypotheses", references, hypotheses), ("references", hypotheses, references)):
        missing = sorted(set(here) - set(there))
        if missing:
            raise DataError(
                f"{len(missing)} utterances are missing from the {name}: {name_utterances(missing)}; "
                "both must hold the same utterances"
            )


def _check_phones(transcripts: Mapping[str, Sequence[str]], known: set[str], name: str) -> None:
    unknown = Counter(symbol for symbols in transcripts.values() for symbol in symbols if symbol not in known)
    if unknown:
        found = ", ".join(f"{symbol!r} ({count} times)" for symbol, count in sorted(unknown.items())[:5])
        raise DataError(f"{len(unknown)} symbols of the {name} are not among the {len(known)} phones: {found}")
