"""Torch modules over the operations."""
