"""The model observer chooses what is nearer to the original, and nobody takes it for people."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.errors import DataError
from nlcunet.experiments.study.analysis import analyse
from nlcunet.experiments.study.assembly import Design, make_study
from nlcunet.experiments.study.folder import read_study
from nlcunet.experiments.study.observer import RULE, contrast_sensitivity, observe, visible_difference
from nlcunet.experiments.study.report import make_json, make_markdown


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sources):
    """A study that shows the originals."""
    folder = tmp_path_factory.mktemp("observed") / "study"
    make_study(folder, sources, Design(crop_px=32, crops_per_image=2, seed=7, shows_original=True))
    return folder


def test_the_eye_sees_most_at_eight_cycles_per_degree():
    cycles = np.linspace(0, 60, 6001)
    seen = contrast_sensitivity(cycles)
    assert cycles[seen.argmax()] == pytest.approx(8.0, abs=0.3)  # as Mannos and Sakrison give it
    assert 0.9 < seen.max() < 1
    assert seen[0] == pytest.approx(0.05, abs=0.001)


def test_stripes_are_weighted_by_their_frequency():
    columns = np.arange(64) / 64
    flat = np.full((64, 64), 0.5)

    def of(periods):
        return visible_difference(flat + 0.1 * np.sin(2 * np.pi * periods * columns), flat)

    # 20 pixels per degree: n periods in 64 pixels are n · 20 / 64 cycles per degree
    for periods in (2, 8, 24):
        expected = 0.1 / np.sqrt(2) * contrast_sensitivity(np.array(periods * 20 / 64))
        assert of(periods) == pytest.approx(float(expected), rel=1e-9)
    assert of(0) == 0


def test_it_prefers_what_is_nearer_to_the_original(folder):
    study = read_study(folder)
    answers = observe(folder, study)
    assert len(answers) == len(study.crops) * len(study.pairs)
    assert answers == observe(folder, study)
    half = [answer for answer in answers if "half" in {answer.left, answer.right}]
    assert half
    assert {answer.chosen for answer in half} == {"half"}


def test_everything_that_shows_its_answers_says_so(folder, tmp_path):
    study = read_study(folder)
    found = analyse(study, observe(folder, study), keeps_all=True, resamples=100, observer=RULE)
    assert found.unit == "images"
    text = make_markdown(found, 0)
    assert "**Nobody was asked: a model observer answered.**" in text
    assert RULE in text
    assert not {"Participants:", "Excluded", "too fast", "one person"} & set(text.split("\n"))
    told = json.loads(make_json(found, 0))
    assert told["answered_by"].startswith("model observer, not people: ")
    assert told["participants"] == []
    arguments = ["study", "analyse", str(folder), "--model-observer", "--plot", str(tmp_path / "plot.svg")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert "a model observer answered" in done.output
    assert (tmp_path / "plot.svg").stat().st_size > 1000


def test_people_are_people(study_folder, simulate):
    study = read_study(study_folder)
    found = analyse(study, simulate(study, {"bicubic": 0, "nearest": -1, "half": 1}, 6, 1), resamples=100)
    assert "model observer" not in make_markdown(found, 6)
    assert json.loads(make_json(found, 6))["answered_by"] == "people"


def test_without_originals_there_is_nothing_to_compare_with(study_folder):
    with pytest.raises(DataError, match="--show-original"):
        observe(study_folder, read_study(study_folder))
