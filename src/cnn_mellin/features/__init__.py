"""Audio reading and the features computed from it."""

from cnn_mellin.features.extractor import FeatureExtractor

__all__ = ["FeatureExtractor"]
