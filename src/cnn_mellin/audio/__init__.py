"""Audio files: reading with checks of their length, resampling, and changes of speaking rate."""
