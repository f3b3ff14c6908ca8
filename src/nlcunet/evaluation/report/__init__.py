"""Benchmark results as one page of HTML that needs no other file: tables, plots, the telling places, the failures."""
