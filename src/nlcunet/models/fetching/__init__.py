"""Weights from the Hugging Face Hub, and from folders that hold what a repository there holds."""
