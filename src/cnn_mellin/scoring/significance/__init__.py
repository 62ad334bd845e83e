"""Tests of significance between systems, over speakers and trainings."""

from cnn_mellin.scoring.significance.bootstrap import BootstrapDifference, bootstrap_difference
from cnn_mellin.scoring.significance.comparison import Comparison, PairComparison, compare_systems
from cnn_mellin.scoring.significance.holm import holm
from cnn_mellin.scoring.significance.mapsswe import MatchedPairs, mapsswe
from cnn_mellin.scoring.significance.permutation import paired_permutation
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors
from cnn_mellin.scoring.significance.training_permutation import training_permutation

__all__ = [
    "BootstrapDifference",
    "Comparison",
    "MatchedPairs",
    "PairComparison",
    "SpeakerErrors",
    "bootstrap_difference",
    "compare_systems",
    "holm",
    "mapsswe",
    "paired_permutation",
    "training_permutation",
]
