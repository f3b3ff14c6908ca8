"""Measuring models: protocols, benchmark runs, tables."""
