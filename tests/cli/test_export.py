import json
import sys

import numpy as np
import pytest

from nlcunet.imaging.files import read_picture


@pytest.mark.usefixtures("unchecked_shapes")
def test_export_and_upscale_with_the_file_and_without_it(nlcunet, save, tmp_path, monkeypatch):
    monkeypatch.setenv("NLCUNET_CACHE", str(tmp_path / "cache"))
    save(tmp_path / "photo.png")
    result = nlcunet("export", "bicubic-x2", "-o", "small.onnx", "-t", "32", "--json")
    assert result.exit_code == 0
    assert "small.onnx: bicubic-x2, float32; against PyTorch on 4 tiles: " in result.stderr
    assert json.loads(result.stdout)["header"]["scale"] == 2

    assert nlcunet("upscale", "photo.png", "-m", "bicubic-x2", "-o", "torch.png").exit_code == 0
    assert nlcunet("upscale", "photo.png", "-m", "small.onnx", "-o", "file.png", "-t", "16").exit_code == 0
    first = nlcunet("upscale", "photo.png", "-m", "bicubic-x2", "--engine", "onnx", "-o", "engine.png", "-v")
    assert "exporting for onnx, once; a minute or more passes: " in first.stderr
    assert "bicubic-x2 in onnx on cpu, float32" in first.stderr
    again = nlcunet("upscale", "photo.png", "-m", "bicubic-x2", "--engine", "onnx", "-o", "again.png")
    assert "exporting" not in again.stderr
    want = read_picture(tmp_path / "torch.png").pixels.astype(int)
    for name in ("file", "engine", "again"):
        pixels = read_picture(tmp_path / f"{name}.png").pixels
        assert np.abs(pixels - want).max() <= 1


def test_what_cannot_be_exported_is_a_sentence(nlcunet, tmp_path):
    result = nlcunet("export", "bicubic-x2", "--to", "torch", "--precision", "int8")
    assert result.exit_code == 2
    assert "the precision of torch must be one of float32, float16: got 'int8'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_libraries_are_named(nlcunet, save, tmp_path, monkeypatch):
    monkeypatch.setenv("NLCUNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    save(tmp_path / "photo.png")
    result = nlcunet("upscale", "photo.png", "-m", "bicubic-x2", "--engine", "onnx")
    assert result.exit_code == 2
    assert "install it with: pip install '.[export]'" in result.stderr
    assert "exporting" not in result.stderr  # found out before the work
