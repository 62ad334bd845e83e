"""Greedy decoding of a partition, and the phone error rate of a model on it."""

from __future__ import annotations

from collections.abc import Sequence

from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.decoding.greedy import greedy_search
from cnn_mellin.decoding.logit_source import partition_logits
from cnn_mellin.formats.phone_sets import fold_phones, folding_to
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.models import AcousticModel
from cnn_mellin.scoring.phone_error_rate import PhoneErrorRate, phone_error_rate
from cnn_mellin.training.process_group import ProcessGroup

__all__ = ["decode_partition", "partition_error_rate", "partition_logits"]


def decode_partition(
    model: AcousticModel, partition: UtteranceData, symbols: Sequence[str], group: ProcessGroup | None = None
) -> dict[str, list[str]]:
    """Decode a partition greedily: utterance id -> symbols, in the order of the partition.

    Args:
        model: model with the same weights in every process.
        partition: utterances to decode.
        symbols: symbol of each class.
        group: processes that share the batches out; each of them gets all results. None for this process only.
    """
    group = group or ProcessGroup()

    def decode_share() -> dict[str, list[str]]:
        return {
            utterance_id: [symbols[c] for c in classes]
            for utterance_ids, logits, lengths in partition_logits(model, partition, first=group.rank, every=group.size)
            for utterance_id, classes in zip(utterance_ids, greedy_search(logits, lengths), strict=True)
        }

    shares = group.gather(group.together(decode_share))
    found = {utterance_id: phones for share in shares for utterance_id, phones in share.items()}
    return {utterance_id: found[utterance_id] for utterance_id in partition.utterance_ids}


def partition_error_rate(
    model: AcousticModel, partition: UtteranceData, symbols: Sequence[str], group: ProcessGroup | None = None
) -> PhoneErrorRate:
    """Phone error rate of greedy search, silences included.

    Phones are folded to TIMIT's 39 if `ext` beside the partition says so; without a record, if all symbols are TIMIT
    phones.

    Args:
        model, partition, symbols, group: as in `decode_partition`.
    """
    hypotheses = decode_partition(model, partition, symbols, group)
    return (group or ProcessGroup()).on_first(lambda: _error_rate(hypotheses, partition, symbols))


def _error_rate(hypotheses: dict[str, list[str]], partition: UtteranceData, symbols: Sequence[str]) -> PhoneErrorRate:
    references = {
        utterance_id: [symbols[c] for c in partition.reference_of(i)[:, 0]]
        for i, utterance_id in enumerate(partition.utterance_ids)
    }
    if is_folded(partition.path.parent / "ext", default=set(symbols) <= set(folding_to(39))):
        references, hypotheses = (
            {utterance_id: fold_phones(phones, 39) for utterance_id, phones in transcripts.items()}
            for transcripts in (references, hypotheses)
        )
    return phone_error_rate(references, hypotheses)
