"""Drawn pictures, what three simple systems make of them, and a study of it; answers made up by a model of people."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from nlcunet.data.drawn.pictures import draw_set
from nlcunet.experiments.study.answers import Answer
from nlcunet.experiments.study.assembly import Design, Sources, make_study
from nlcunet.experiments.study.design import Crop, Study
from nlcunet.experiments.study.sessions import plan_session
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.imaging.resize import resize_bicubic

SIDE_PX = 96


def save(image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = image.round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
    write_picture(Picture(pixels=pixels), path)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Folders: original, low_res, and the systems bicubic, nearest and half (halfway between bicubic and original)."""
    folder = tmp_path_factory.mktemp("pictures")
    drawn = draw_set(3, 5, SIDE_PX, kinds={"hair": 1.0, "line-art": 1.0, "grids": 1.0}, threads=1)
    for picture, name in zip(drawn.pictures, drawn.names, strict=True):
        original = picture.permute(2, 0, 1).float()
        low_res = resize_bicubic(original, SIDE_PX // 4, SIDE_PX // 4).round().clamp(0, 255)
        bicubic = resize_bicubic(low_res, SIDE_PX, SIDE_PX)
        save(original, folder / "original" / f"{name}.png")
        save(low_res, folder / "low_res" / f"{name}.png")
        save(bicubic, folder / "bicubic" / f"{name}.png")
        save(low_res.repeat_interleave(4, 1).repeat_interleave(4, 2), folder / "nearest" / f"{name}.png")
        save((original + bicubic) / 2, folder / "half" / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def sources(pictures):
    """Three systems and the originals."""
    systems = {name: pictures / name for name in ("bicubic", "nearest", "half")}
    return Sources(systems=systems, original=pictures / "original")


@pytest.fixture(scope="session")
def design():
    """Small crops, few trials: 3 pairs on 3 crops, 2 checks, 2 repeats."""
    return Design(crop_px=32, crops_per_image=2, seed=7, checks=2, repeats=2, judgements_per_pair=3)


@pytest.fixture(scope="session")
def _made_study(tmp_path_factory, sources, design):
    folder = tmp_path_factory.mktemp("made") / "study"
    make_study(folder, sources, design)
    return folder


@pytest.fixture
def study_folder(tmp_path, _made_study):
    """A study that was made, to do with as one likes."""
    return Path(shutil.copytree(_made_study, tmp_path / "study"))


def make_design(systems, num_crops=12, **changes) -> Study:
    """A study without pictures, for everything that needs none; two crops per image."""
    crops = tuple(
        Crop(
            image=f"image {number // 2}",
            top=0,
            left=0,
            height=1,
            width=1,
            difference=1,
            pictures={name: f"{number}-{name}.png" for name in systems},
        )
        for number in range(num_crops)
    )
    values = {"title": "t", "seed": 3, "judgements_per_pair": num_crops, **changes}
    return Study(systems=tuple(systems), crops=crops, **values)


def simulate(study, scores, people, seed, *, time_ms=2000, spread=0.0) -> list[Answer]:
    """Whole sessions of people who choose as Bradley and Terry have it, and see every check.

    ``spread`` is the standard deviation of a person's own scores around the common ones.
    """
    random = np.random.default_rng(seed)
    answers = []
    for number in range(people):
        own = {name: score + spread * random.standard_normal() for name, score in scores.items()}
        own |= {"better": 50.0, "worse": 0.0}
        for index, trial in enumerate(plan_session(study, number)):
            chance = 1 / (1 + np.exp(own[trial.right] - own[trial.left]))
            answers.append(make_answer(f"person {number}", index, trial, random.random() < chance, time_ms))
    return answers


def make_answer(participant, number, trial, chooses_left, time_ms=2000) -> Answer:
    return Answer(
        participant=participant,
        trial=number,
        choice="left" if chooses_left else "right",
        time_ms=time_ms,
        client_width=1200,
        client_height=800,
        device_pixel_ratio=1.0,
        zoom=2,
        kind=trial.kind,
        crop=trial.crop,
        left=trial.left,
        right=trial.right,
        received="2026-11-25T12:00:00.000+00:00",
    )


@pytest.fixture(scope="session", name="make_design")
def _make_design():
    return make_design


@pytest.fixture(scope="session", name="simulate")
def _simulate():
    return simulate


@pytest.fixture(scope="session", name="make_answer")
def _make_answer():
    return make_answer
