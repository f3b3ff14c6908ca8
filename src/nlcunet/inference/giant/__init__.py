"""Giant pictures: from disk to disk, taken up again after any interruption."""
