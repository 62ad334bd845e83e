"""Pictures, each drawn by one function."""
