"""Enlarge a picture of any size with an exported file: onnxruntime, numpy and Pillow, no nlcunet.

Run: ``python examples/onnx_tiles.py s.onnx photo.jpg large.png``, with a file that ``nlcunet export`` has written.
"""

import json
import sys
from itertools import product

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

TILE, OVERLAP = 256, 32  # pixels of the input: longest side of a tile, and how much of it neighbours share at least


def enlarge(session: onnxruntime.InferenceSession, picture: np.ndarray) -> np.ndarray:
    """Height × width × 3 in 8 bits, tile by tile; where tiles overlap, they fade into each other."""
    header = json.loads(session.get_modelmeta().custom_metadata_map["nlcunet"])["header"]
    scale, multiple, least = header["scale"], header["size_multiple"], header["min_size"]
    height, width = picture.shape[:2]
    missing = [(0, max(-size % multiple, least - size)) for size in (height, width)]
    padded = np.pad(picture, (*missing, (0, 0)), mode="reflect").astype(np.float32) / 255
    (high, tops), (wide, lefts) = (plan(size, multiple) for size in padded.shape[:2])
    total = np.zeros((padded.shape[0] * scale, padded.shape[1] * scale, 3), np.float32)
    weights = np.zeros((*total.shape[:2], 1), np.float32)
    edges = [np.minimum(np.arange(side * scale), np.arange(side * scale)[::-1]) for side in (high, wide)]
    ramps = [np.clip((edge / scale - OVERLAP / 4) / (OVERLAP / 2), 1e-6, 1) for edge in edges]
    weight = np.outer(*ramps)[..., None].astype(np.float32)  # the outermost quarter is only looked at
    for top, left in product(tops, lefts):
        tile = padded[top : top + high, left : left + wide].transpose(2, 0, 1)[None]
        place = np.s_[top * scale : (top + high) * scale, left * scale : (left + wide) * scale]
        total[place] += session.run(None, {"low_res": tile})[0][0].transpose(1, 2, 0) * weight
        weights[place] += weight
    return (np.clip(total / weights, 0, 1) * 255).round().astype(np.uint8)[: height * scale, : width * scale]


def plan(length: int, multiple: int) -> tuple[int, list[int]]:
    """How long tiles are along a side of the picture, and where they begin: as few as will do, evenly spread."""
    count = max(1, -(-(length - OVERLAP) // (TILE - OVERLAP)))
    side = -(-(length + (count - 1) * OVERLAP) // (count * multiple)) * multiple
    return side, [(length - side) // multiple * index // max(count - 1, 1) * multiple for index in range(count)]


def main(model: str, source: str, target: str) -> None:
    """Read, enlarge, write; colours of the profile that the picture has."""
    image = ImageOps.exif_transpose(Image.open(source))
    result = enlarge(onnxruntime.InferenceSession(model), np.asarray(image.convert("RGB")))
    Image.fromarray(result).save(target, icc_profile=image.info.get("icc_profile"))


if __name__ == "__main__":
    main(*sys.argv[1:])
