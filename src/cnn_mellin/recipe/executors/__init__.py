"""Executors of steps: processes on this machine, or jobs of a Slurm cluster."""

__all__: list[str] = []
