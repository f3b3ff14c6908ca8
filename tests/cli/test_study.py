"""``nlcunet study``."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from nlcunet.cli import study as study_command
from nlcunet.cli.app import app
from nlcunet.errors import ConfigError
from nlcunet.experiments.study.answers import Answer, Participant
from nlcunet.experiments.study.folder import ANSWERS, PARTICIPANTS, read_study
from nlcunet.experiments.study.sessions import plan_session
from nlcunet.imaging.files import Picture, read_header, write_picture


def run(*arguments):
    return CliRunner().invoke(app, ["study", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two images: a clean one, and copies with little and with much noise."""
    folder = tmp_path_factory.mktemp("folders")
    random = np.random.default_rng(0)
    for name in ("x", "y"):
        clean = random.integers(0, 2, (48, 64, 1)).repeat(3, axis=2).repeat(2, axis=0).repeat(2, axis=1) * 180 + 40
        for system, noise in (("clean", 0), ("little", 5), ("much", 30)):
            (folder / system).mkdir(exist_ok=True)
            pixels = (clean + noise * random.standard_normal(clean.shape)).clip(0, 255).astype(np.uint8)
            write_picture(Picture(pixels=pixels), folder / system / f"{name}.png")
    return folder


def make(folders, target, *flags):
    systems = ["--system", f"little={folders / 'little'}", "--system", f"much={folders / 'much'}"]
    return run("make", "-o", target, *systems, "--original", folders / "clean", "--crop-px", 32, *flags)


def answer_all(folder, people, *, time_ms=1500):
    """Everybody prefers little noise, but for the last comparison of each."""
    study = read_study(folder)
    names, lines = [], []
    for number in range(people):
        names.append(Participant(participant=f"p{number}", number=number, joined="now").model_dump_json())
        session = plan_session(study, number)
        for index, trial in enumerate(session):
            wishes_left = trial.left in {"little", "better"}
            choice = "left" if wishes_left != (index == len(session) - 1 and trial.kind == "pair") else "right"
            lines.append(
                Answer(
                    participant=f"p{number}",
                    trial=index,
                    choice=choice,
                    time_ms=time_ms,
                    client_width=1000,
                    client_height=700,
                    device_pixel_ratio=1.0,
                    zoom=2,
                    kind=trial.kind,
                    crop=trial.crop,
                    left=trial.left,
                    right=trial.right,
                    received="now",
                ).model_dump_json()
            )
    (folder / PARTICIPANTS).write_text("\n".join(names) + "\n", encoding="utf-8")
    (folder / ANSWERS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_from_folders_to_a_table(folders, tmp_path):
    made = make(folders, tmp_path / "s", "--repeats", 0, "--seed", 5, "--title", "Noise", "--crops-per-image", 3)
    assert made.exit_code == 0, made.stderr
    assert (
        "6 crops of 2 images; a session has 10 trials: 6 comparisons, 0 of them asked twice, 4 attention" in made.stdout
    )
    answer_all(tmp_path / "s", 8)
    found = run("analyse", tmp_path / "s", "--json", tmp_path / "found.json", "--plot", tmp_path / "plot.png")
    assert found.exit_code == 0, found.stderr
    assert found.stdout.startswith("# Noise\n")
    assert "8 joined, 8 answered, 0 excluded, 8 counted" in found.stdout
    assert "| little : much |" in found.stdout
    content = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert content["scores"][0]["system"] == "little"
    assert content["scores"][0]["lower"] > 0
    assert content["pairs"][0]["p_value"] == 2 / 2**8
    assert read_header(tmp_path / "plot.png").width > 1000


def test_who_hurries_is_left_out_unless_all_are_kept(folders, tmp_path):
    make(folders, tmp_path / "s")
    answer_all(tmp_path / "s", 2, time_ms=90)
    refused = run("analyse", tmp_path / "s")
    assert refused.exit_code == 2
    assert "2 of them excluded; wait for more, or use --keep-all" in refused.stderr
    kept = run("analyse", tmp_path / "s", "--keep-all", "--unit", "images", "--resamples", 100)
    assert kept.exit_code == 0, kept.stderr
    assert "bootstrap over 2 images, 100 resamples" in kept.stdout
    assert "are counted" in kept.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--system", "much"], "a system must be NAME=FOLDER, as bicubic=out/bicubic: got 'much'"),
        (["--system", "=folder"], "a system must be NAME=FOLDER"),
        (["--system", "much=elsewhere"], "systems must have names of their own: got much twice"),
        (["--system", "third=elsewhere"], "found no folder elsewhere"),
        (["--system", "a|b=elsewhere"], "the name of a system must be 1 … 40 characters"),
        (["--crop-px", "2"], "crop-px must be at least 16: got 2"),
        (["--low-res", "elsewhere"], "found no folder elsewhere"),
    ],
)
def test_mistakes_are_told_in_a_line(folders, tmp_path, flags, message):
    refused = make(folders, tmp_path / "s", *flags)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_one_system_cannot_be_compared(folders, tmp_path):
    refused = run("make", "-o", tmp_path / "s", "--system", f"a={folders / 'much'}")
    assert refused.exit_code == 2
    assert "needs at least two systems: got 1" in refused.stderr


def test_a_study_is_made_once(folders, tmp_path):
    assert make(folders, tmp_path / "s").exit_code == 0
    refused = make(folders, tmp_path / "s")
    assert refused.exit_code == 2
    assert "is not empty" in refused.stderr


def test_serving_refuses_what_it_cannot(folders, tmp_path, monkeypatch):
    assert "made by nlcunet study make" in run("serve", tmp_path).stderr
    make(folders, tmp_path / "s")
    both = run("serve", tmp_path / "s", "--open", "--participants", 3)
    assert both.exit_code == 2
    assert "leave out one" in both.stderr
    monkeypatch.setitem(sys.modules, "nlcunet.experiments.study.server", None)
    missing = run("serve", tmp_path / "s")
    assert missing.exit_code == 2
    assert "pip install '.[serve]'" in missing.stderr


def test_plots_of_unknown_kinds_and_without_matplotlib_are_refused(folders, tmp_path, monkeypatch):
    make(folders, tmp_path / "s")
    answer_all(tmp_path / "s", 3)
    assert (
        "a plot must end in .png, .svg, .pdf: got plot.txt"
        in run("analyse", tmp_path / "s", "--plot", "plot.txt").stderr
    )
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert ".[report]" in run("analyse", tmp_path / "s", "--plot", tmp_path / "plot.png").stderr


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("192.168.1.5", False),
        ("pc", False),
    ],
)
def test_other_machines_are_kept_out_unless_asked_in(host, is_loopback):
    assert study_command.is_loopback(host) == is_loopback


def test_systems_keep_their_order_and_folders_may_hold_equals_signs():
    assert [str(folder) for folder in study_command.read_systems(["b=x=y", "a=z"]).values()] == ["x=y", "z"]
    with pytest.raises(ConfigError):
        study_command.read_systems([" =x"])
