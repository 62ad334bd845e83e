"""Data directories: packed features and references, loading and batching."""
