"""Executors of steps: processes of this machine, or jobs of a Slurm cluster."""
