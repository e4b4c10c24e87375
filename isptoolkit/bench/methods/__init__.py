"""Entrants of the benchmark."""
