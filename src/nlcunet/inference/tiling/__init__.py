"""Tiles: where they lie, how they pass the network, and how they become a picture."""
