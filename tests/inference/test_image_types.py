import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nlcunet.errors import AnimatedImageError, ConfigError
from nlcunet.imaging.picture import Picture
from nlcunet.inference.image_types import open_image
from nlcunet.inference.loading import load
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import LoadedModel


@pytest.fixture
def upscaler(make_repeat: Callable[..., LoadedModel]) -> Upscaler:
    return Upscaler(make_repeat(2))


def doubled(array: np.ndarray) -> np.ndarray:
    return array.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_an_array_comes_back_in_its_shape_and_type(upscaler: Upscaler, shape: tuple[int, ...], dtype: type) -> None:
    values = np.random.default_rng(0).random(shape)
    array = values.astype(dtype) if np.dtype(dtype).kind == "f" else (values * np.iinfo(dtype).max).astype(dtype)
    result = upscaler.upscale(array)
    assert result.dtype == dtype
    np.testing.assert_allclose(result.astype(float), doubled(array).astype(float), rtol=1e-3)


@pytest.mark.parametrize("channels", [2, 4])
def test_the_last_of_two_or_four_channels_is_alpha(upscaler: Upscaler, channels: int) -> None:
    array = np.random.default_rng(0).integers(40, 256, (5, 7, channels), dtype=np.uint8)
    assert np.array_equal(upscaler.upscale(array), doubled(array))


def test_an_array_is_neither_changed_nor_needs_to_be_writable(upscaler: Upscaler) -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    before = array.copy()
    array.flags.writeable = False
    upscaler.upscale(array[::-1, ::-1])
    assert np.array_equal(array, before)


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 5, 7), (4, 5, 7), (2, 3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.float16])
def test_a_tensor_comes_back_in_its_shape_and_type(
    upscaler: Upscaler, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    values = torch.rand(shape) * 0.5 + 0.5
    tensor = values.to(dtype) if dtype.is_floating_point else (values * 255).to(dtype)
    result = upscaler.upscale(tensor)
    assert result.dtype == dtype
    expected = tensor.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(result, expected, rtol=1e-3, atol=1e-3)


def test_a_tensor_that_needs_gradients_is_taken_without(upscaler: Upscaler) -> None:
    assert not upscaler.upscale(torch.rand(3, 4, 4, requires_grad=True)).requires_grad


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("L", "L"),
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("LA", "LA"),
        ("1", "L"),
        ("P", "RGBA"),  # a palette made of colours with alpha holds it
        ("CMYK", "RGB"),
        ("I;16", "I;16"),
    ],
)
def test_a_pillow_image_comes_back_as_one(upscaler: Upscaler, mode: str, expected: str) -> None:
    colour = Image.fromarray(np.random.default_rng(0).integers(60, 256, (5, 7, 4), dtype=np.uint8))
    image = Image.fromarray(np.full((5, 7), 40_000, np.uint16)) if mode == "I;16" else colour.convert(mode)
    image.info["icc_profile"] = b"profile"
    result = upscaler.upscale(image)
    assert isinstance(result, Image.Image)
    assert (result.mode, result.size) == (expected, (14, 10))
    assert result.info.get("icc_profile") == (None if mode == "CMYK" else b"profile")
    assert np.array_equal(
        np.asarray(result), doubled(np.asarray(image if mode == expected else image.convert(expected)))
    )


def test_a_pillow_palette_with_transparency_keeps_it(upscaler: Upscaler) -> None:
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode=None).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.info["transparency"] = 0
    result = upscaler.upscale(image)
    assert result.mode == "RGBA"
    assert sorted(set(np.asarray(result)[:, :, 3].ravel())) == [0, 255]


def test_a_pillow_palette_whose_colours_have_alpha_keeps_it(upscaler: Upscaler) -> None:
    image = Image.new("P", (2, 1))
    image.putdata([0, 1])
    image.putpalette([255, 0, 0, 10, 0, 255, 0, 200], "RGBA")
    result = upscaler.upscale(image)
    assert result.mode == "RGBA"
    assert sorted(set(np.asarray(result)[:, :, 3].ravel())) == [10, 200]


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_transparent_colour_of_a_pillow_image_becomes_alpha(upscaler: Upscaler, mode: str) -> None:
    image = Image.new(mode, (2, 1), 0)
    image.putpixel((1, 0), (255, 255, 255) if mode == "RGB" else 255)
    image.info["transparency"] = (0, 0, 0) if mode == "RGB" else 0
    result = upscaler.upscale(image)
    assert np.asarray(result)[0, :, -1].tolist() == [0, 0, 255, 255]


def test_a_transparent_shade_of_16_bits_is_refused() -> None:
    image = Image.fromarray(np.full((5, 7), 40_000, np.uint16))
    image.info["transparency"] = 40_000
    with pytest.raises(ConfigError, match="must be opaque"):
        open_image(image)


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animated_pillow_image_is_refused_and_its_frames_are_taken(upscaler: Upscaler, file_format: str) -> None:
    frames = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (0, 90, 180)]
    buffer = io.BytesIO()
    frames[0].save(buffer, file_format, save_all=True, append_images=frames[1:])
    with Image.open(buffer) as image:
        with pytest.raises(AnimatedImageError, match="got 3 frames or pages"):
            upscaler.upscale(image)
        image.seek(2)
        assert upscaler.upscale(image.convert("RGB").copy()).size == (8, 8)


def test_pixels_counted_beside_a_pillow_image_grow_with_it(upscaler: Upscaler) -> None:
    image, exif = Image.new("RGB", (4, 3)), Image.Exif()
    exif[0x0112], exif.get_ifd(0x8769)[0xA214] = 6, (2, 1)
    image.info |= {"exif": exif.tobytes(), "xmp": b"<GPano:FullPanoWidthPixels>4</GPano:FullPanoWidthPixels>"}
    result = upscaler.upscale(image)
    assert result.getexif()[0x0112] == 6
    assert result.getexif().get_ifd(0x8769)[0xA214] == (4, 2)
    assert result.info["xmp"] == b"<GPano:FullPanoWidthPixels>8</GPano:FullPanoWidthPixels>"


def test_a_photograph_with_further_pictures_is_no_animation(upscaler: Upscaler) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "MPO", save_all=True, append_images=[Image.new("L", (2, 2))])
    with Image.open(buffer) as image:
        assert upscaler.upscale(image).size == (8, 8)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((5, 7, 5), np.uint8), r"an array must be \(height, width\)"),
        (np.zeros((0, 7, 3), np.uint8), "not empty"),
        (np.zeros((5, 7, 3), np.int64), "got int64"),
        (np.full((5, 7, 3), 255.0), "divide by their full scale"),
        (np.full((5, 7, 3), np.nan), r"must be finite: got NaN or infinities; replace them"),
        (torch.full((3, 5, 7), torch.inf), r"must be finite: got NaN or infinities; replace them"),
        (
            np.linspace(-1, 1, 105).reshape(5, 7, 3),
            r"got -1 to 1; they seem to lie in \[-1, 1\]: give \(image \+ 1\) / 2",
        ),
        ([], "a list of images must hold at least one"),
        ({"image": 1}, "got dict; convert it"),
        (torch.zeros(5, 7), "a tensor must be"),
        (torch.zeros(5, 7, 3), "channels come before height"),
        (torch.zeros(3, 5, 7, dtype=torch.int64), "got torch.int64"),
        (Image.new("F", (4, 4)), "got mode F"),
        ([[1, 2]], "got int"),
    ],
)
def test_an_image_that_cannot_be_is_refused(image: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_image(image)


def test_a_batch_of_arrays_comes_back_as_one(upscaler: Upscaler) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    assert np.array_equal(upscaler(batch), np.stack([doubled(array) for array in batch]))


def test_a_list_gives_a_list_each_of_its_kind(upscaler: Upscaler, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Picture(pixels=array).save(tmp_path / "a.png")
    path = tmp_path / "a.png"
    images = [
        array,
        torch.zeros(2, 3, 4, 4),
        Image.fromarray(array),
        path,
        str(path),
        path.read_bytes(),
        [array, array],
    ]
    told: list[tuple[int, int]] = []
    results = upscaler.upscale(images, progress=lambda *done: told.append(done))  # type: ignore[call-overload]
    assert [type(result) for result in results] == [
        np.ndarray,
        torch.Tensor,
        Image.Image,
        Picture,
        Picture,
        Picture,
        list,
    ]
    assert results[1].shape == (2, 3, 8, 8)
    for result in (results[0], results[2], *(picture.pixels for picture in results[3:6]), *results[6]):
        assert np.array_equal(np.asarray(result), doubled(array))
    assert told == [(number, 9) for number in range(1, 10)]


def test_calling_is_the_same_as_upscale(upscaler: Upscaler) -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(upscaler(array, 3), upscaler.upscale(array, 3))
    assert upscaler(array, width=9).shape == (6, 9, 3)


def test_what_is_loaded_and_what_comes_out_says_itself_in_a_line(upscaler: Upscaler) -> None:
    assert repr(upscaler) == "<Upscaler stand-in: torch, cpu, float32>"
    assert repr(load(device="cpu")).startswith("<AutomaticUpscaler by the picture: 2x-NLCUnet-S, ")
    grey = Picture(pixels=np.zeros((5, 7, 1), np.uint8), alpha=np.zeros((5, 7), np.uint8))
    assert repr(grey) == "<Picture 7×5, grey with alpha, uint8>"


@pytest.mark.slow  # mypy reads torch and NumPy
def test_type_checkers_know_what_comes_out(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    lines = {
        "u(np.zeros((4, 4, 3)))": "ndarray",
        "u.upscale(torch.zeros(3, 4, 4), 2)": "Tensor",
        "u('a.png', width=9)": "Picture",
        "u(b'...')": "Picture",
        "u(Image.new('L', (4, 4)))": "Image",
        "u(['a.png', 'b.png'])": "list[nlcunet.imaging.picture.Picture]",
        "u([torch.zeros(3, 4, 4)])": "list[torch._tensor.Tensor]",
    }
    program = tmp_path / "program.py"
    head = "import nlcunet, numpy as np, torch\nfrom PIL import Image\nu = nlcunet.load()\n"
    program.write_text(head + "".join(f"reveal_type({line})\n" for line in lines))
    told, _, _ = api.run([str(program), "--no-incremental", "--follow-imports=silent"])
    revealed = [line for line in told.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(lines), told
    for line, kind in zip(revealed, lines.values(), strict=True):
        assert kind in line
        assert "Any" not in line.replace("[Any", "[")  # NumPy's own shapes are Any


def test_pillow_is_not_imported_for_arrays() -> None:
    code = (
        "import sys, numpy, nlcunet; nlcunet.load('bicubic-x2').upscale(numpy.zeros((4, 4, 3), 'uint8'));"
        "sys.exit('PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
