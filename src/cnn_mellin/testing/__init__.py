"""Oracles for our tests and for users' layers."""
