"""Variants of a recipe, trained and measured alike: what brings how much, and how sure that is."""
