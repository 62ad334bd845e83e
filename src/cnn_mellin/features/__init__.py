"""Audio reading and the features computed from it."""
