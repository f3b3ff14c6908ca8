import pickle
from dataclasses import asdict, replace
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest

from nlcunet.cluster.choice import ModelChoice
from nlcunet.cluster.work import Setup
from nlcunet.errors import ConfigError, WeightsError
from nlcunet.inference.loading import load
from nlcunet.inference.settings import BatchSettings, EngineOptions, EngineSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler


def choose(name: str, **options: Unpack[EngineOptions]) -> ModelChoice:
    return ModelChoice(name_or_path=name, settings=EngineSettings(**options))


@pytest.mark.parametrize(
    "choice",
    [
        choose("4x-NLCUnet-S", device="cpu", tile=16, overlap=4),
        choose("2x-NLCUnet-S", device="cpu", quality="fast"),
    ],
)
def test_a_network_that_was_sent_enlarges_like_one_that_was_loaded(choice: ModelChoice) -> None:
    header, model = choice.check(SizeRequest())
    assert model is not None
    sent = choice.open(pickle.loads(pickle.dumps(model)))  # noqa: S301 - it was written a moment before
    picture = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    loaded = load(choice.name_or_path, **asdict(choice.settings))
    assert header == loaded.header == sent.header
    np.testing.assert_array_equal(sent.upscale(picture), loaded.upscale(picture))


def test_arguments_are_checked_where_the_batch_is_started() -> None:
    good = choose("bicubic-x2", device="cuda")
    assert good.check(SizeRequest())[0].scale == 2
    for wrong, kind in (
        (replace(good, name_or_path="no-such-model"), WeightsError),
        (choose("bicubic-x2", quality="finest"), ConfigError),
        (choose("bicubic-x2", precision="float8"), ConfigError),
        (choose("bicubic-x2", overlap=-1), ConfigError),
    ):
        with pytest.raises(kind):
            wrong.check(SizeRequest())


def test_exports_are_opened_by_the_workers_themselves() -> None:
    header, model = choose("bicubic-x2", engine="onnx").check(SizeRequest())
    assert header.scale == 2
    assert model is None


def test_files_that_workers_open_are_found_from_where_the_batch_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.onnx").touch()
    opened, upscaler = [], load("bicubic-x2", device="cpu")

    def open_noted(name_or_path: str, _: EngineSettings) -> Upscaler:
        opened.append(name_or_path)
        return upscaler

    monkeypatch.setattr("nlcunet.cluster.choice.open_model", open_noted)
    settings = BatchSettings(request=SizeRequest())
    for name in ("x.onnx", "4x-NLCUnet-S"):
        choice = choose(name, device="cpu", engine="onnx")
        Setup(choice=choice, model=None, settings=settings, folder=str(tmp_path)).open()
    assert opened == [str(tmp_path / "x.onnx"), "4x-NLCUnet-S"]


def test_machines_of_another_version_are_refused() -> None:
    settings = BatchSettings(request=SizeRequest())
    choice = choose("bicubic-x2", device="cpu")
    with pytest.raises(ConfigError, match=r"must have the same version of nlcunet: got .* and 0\.0\.1 where"):
        Setup(choice=choice, model=None, settings=settings, folder="/", version="0.0.1").open()
