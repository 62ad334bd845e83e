"""Data directories: packed features and references, their preparation, loading and batching.

Names that need torch are imported from their modules: `audio_partition`, `audio_preparation`, `batch`, `batch_plan`,
`logits_folder`, `preparation`, `speaking_rates`, `summary`, `tensor_files` and `verification`.
"""

from cnn_mellin.data.labelling import Labelling, corpus_labelling, timit_labelling
from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import PartitionWriter, write_partition
from cnn_mellin.data.speaker_split import SpeakerSplit, split_by_speaker
from cnn_mellin.data.subset import PartitionSubset, select_utterances
from cnn_mellin.data.utterance_data import UtteranceData

__all__ = [
    "Labelling",
    "Partition",
    "PartitionDescription",
    "PartitionSubset",
    "PartitionWriter",
    "SpeakerSplit",
    "UtteranceData",
    "corpus_labelling",
    "read_partition",
    "select_utterances",
    "split_by_speaker",
    "timit_labelling",
    "write_partition",
]
