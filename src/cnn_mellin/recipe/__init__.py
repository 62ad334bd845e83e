"""Whole experiments, step by step."""
