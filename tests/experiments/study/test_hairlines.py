"""One command makes a study of thin lines."""

import pytest
import torch
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.errors import ConfigError
from nlcunet.evaluation.enlargers import lanczos_enlarger
from nlcunet.experiments.study.assembly import Design
from nlcunet.experiments.study.folder import PICTURES, read_study
from nlcunet.experiments.study.hairlines import make_hairline_study
from nlcunet.imaging.files import Picture, read_picture, write_picture
from nlcunet.imaging.resize import resize_bicubic


def bicubic(low_res):
    return resize_bicubic(low_res, 4 * low_res.shape[-2], 4 * low_res.shape[-1])


def test_the_command_draws_hair_and_asks_which_is_like_the_original(tmp_path):
    study = tmp_path / "study"
    done = CliRunner().invoke(
        app, ["study", "hairlines", "-o", str(study), "-m", "ours=4x-NLCUnet-S", "--count", "2", "--threads", "1"]
    )
    assert done.exit_code == 0, done.output
    made = read_study(study)
    assert made.systems == ("bicubic", "Lanczos", "ours")
    assert made.question == "Which picture looks more like the original?"
    assert len(made.crops) == 2
    for crop in made.crops:
        assert crop.image.split("-")[0] in {"hair", "branches"}
        assert (crop.height, crop.width) == (256, 256)
        assert len(set(crop.pictures.values())) == 3
        assert crop.original is not None
        original, small = (
            read_picture(study / PICTURES / name).pixels.astype(float)
            for name in (crop.original, crop.pictures["bicubic"])
        )
        assert original.std() > small.std()  # detail is lost
    found = CliRunner().invoke(app, ["study", "analyse", str(study), "--model-observer"])
    assert found.exit_code == 0
    assert "model observer" in found.output


def test_photographs_can_be_used_instead(tmp_path):
    (tmp_path / "photos").mkdir()
    pixels = torch.randint(0, 255, (98, 130, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8).numpy()
    for name in ("b", "a", "c"):
        write_picture(Picture(pixels=pixels), tmp_path / "photos" / f"{name}.png")
    told = []
    made = make_hairline_study(
        tmp_path / "study",
        {"bicubic": bicubic, "Lanczos": lanczos_enlarger(4)},
        4,
        Design(crop_px=32, crops_per_image=1, shows_original=True),
        count=2,
        images=tmp_path / "photos",
        on_image=lambda *numbers: told.append(numbers),
    )
    assert [crop.image for crop in made.study.crops] == ["a", "b"]
    assert told == [(1, 2), (2, 2)]


def test_nothing_is_drawn_for_a_folder_that_is_not_empty(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="choose another name"):
        make_hairline_study(tmp_path, {"bicubic": bicubic}, 4, Design())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
