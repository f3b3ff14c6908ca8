"""Engines: what runs a network on a batch of tiles."""
