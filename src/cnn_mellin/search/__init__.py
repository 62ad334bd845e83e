"""Hyperparameter search by many machines on one database."""
