"""Experiments: questions that no single number of a benchmark answers."""
