"""Feature extraction: filter banks, short-time Fourier transforms and short integration."""

from cnn_mellin.features.extractor import FeatureExtractor

__all__ = ["FeatureExtractor"]
