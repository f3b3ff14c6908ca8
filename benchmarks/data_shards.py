"""Size and loading time of tiles by how they are stored: why `nlcunet data pack` writes what it writes.

    python benchmarks/data_shards.py TILES [--every 29]

Times are of the CPU, all threads together, so that a busy machine does not matter; the disk cache is warm.
``safetensors`` is the raw pixels of all tiles in one file, mapped into memory and copied out tile by tile; the rest are
tar files read by `nlcunet.data.shards` and decoded.
"""

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nlcunet.data.photographs import find_pictures, load_photographs, read_photograph
from nlcunet.data.shards import StoredTile, TileRecord, shard_bytes
from nlcunet.imaging.files import Picture, encode_picture

FORMATS = {"WebP, lossless": ("webp", 100), "PNG": ("png", None), "AVIF 90": ("avif", 90), "JPEG 98": ("jpeg", 98)}


def stored(number: int, suffix: str, data: bytes) -> StoredTile:
    digest = hashlib.sha256(data).hexdigest()
    record = TileRecord(
        photograph=str(number), source_sha256="", left=0, top=0, width=0, height=0, detail_db=0.0, split="train",
        licence="", holder="", source="", encoding=suffix, sha256=digest,
    )  # fmt: skip
    return StoredTile(key=f"{number:06}", suffix=f".{suffix}", data=data, record=record)


def load_time_ms(folder: Path, tiles: int) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        load_photographs(folder, min_px=1, central_px=None, threads=1)
        times.append(time.process_time() - start)
    return 1000 * min(times) / tiles


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--every", type=int, default=29)
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = find_pictures(options.tiles)[:: options.every]
    pixels = [read_photograph(path, None) for path in paths]
    print(f"{len(paths)} tiles of {pixels[0].shape[1]}×{pixels[0].shape[0]}\n")
    print("| stored as | KiB per tile | encoding (CPU ms) | loading (CPU ms) | exact |\n|---|---:|---:|---:|---|")
    for name, (file_format, quality) in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            data = [
                encode_picture(Picture(pixels=tile.numpy()), file_format=file_format, quality=quality)
                for tile in pixels
            ]
            encoding = 1000 * (time.process_time() - start) / len(pixels)
            content = shard_bytes(stored(number, file_format, one) for number, one in enumerate(data))
            (Path(folder) / "train-0000.tar").write_bytes(content)
            loading = load_time_ms(Path(folder), len(pixels))
            loaded = load_photographs(Path(folder), min_px=1, central_px=None).pictures
        exact = all(torch.equal(one, other) for one, other in zip(loaded, pixels, strict=True))
        size = len(content) / 1024 / len(pixels)
        print(f"| tar of {name} | {size:.0f} | {encoding:.0f} | {loading:.1f} | {'yes' if exact else 'no'} |")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tiles.safetensors"
        start = time.process_time()
        save_file({f"{number:06}": tile for number, tile in enumerate(pixels)}, file)
        encoding = 1000 * (time.process_time() - start) / len(pixels)
        size = file.stat().st_size / 1024 / len(pixels)
        start = time.process_time()
        with safe_open(file, "pt") as tensors:
            loaded = [tensors.get_tensor(name).clone() for name in tensors.keys()]  # noqa: SIM118 - no mapping
        loading = 1000 * (time.process_time() - start) / len(loaded)
        print(f"| safetensors, raw | {size:.0f} | {encoding:.0f} | {loading:.1f} | yes |")


if __name__ == "__main__":
    main()
