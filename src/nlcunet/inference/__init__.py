"""From a picture to a larger picture: tiles, the upscaler, and batches of files."""
