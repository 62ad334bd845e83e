"""Recordings: audio files in every container, their lengths, and changes of speaking rate."""
