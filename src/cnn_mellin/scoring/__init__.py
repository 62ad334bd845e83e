"""Alignment, phone error rate, and comparison of systems with tests of significance."""

from cnn_mellin.formats.transcripts import read_trn, write_ctm, write_trn
from cnn_mellin.scoring.convention import CONVENTIONS, Convention
from cnn_mellin.scoring.error_counts import ErrorCounts
from cnn_mellin.scoring.feature_error_counts import FeatureErrorCounts
from cnn_mellin.scoring.feature_error_rate import FeatureErrorRate, feature_error_rate
from cnn_mellin.scoring.folder_comparison import FolderComparison, compare_folders
from cnn_mellin.scoring.phone_error_rate import PhoneErrorRate, phone_error_rate
from cnn_mellin.scoring.scored_file import ScoredFile
from cnn_mellin.scoring.significance.comparison import Comparison, compare_systems

__all__ = [
    "CONVENTIONS",
    "Comparison",
    "Convention",
    "ErrorCounts",
    "FeatureErrorCounts",
    "FeatureErrorRate",
    "FolderComparison",
    "PhoneErrorRate",
    "ScoredFile",
    "compare_folders",
    "compare_systems",
    "feature_error_rate",
    "phone_error_rate",
    "read_trn",
    "write_ctm",
    "write_trn",
]
