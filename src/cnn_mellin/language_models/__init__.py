"""Phone language models."""
