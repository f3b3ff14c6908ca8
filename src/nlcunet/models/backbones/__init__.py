"""Frozen ImageNet networks whose features judge pictures (perceptual loss). Pictures in: RGB in [0, 1], any size."""
