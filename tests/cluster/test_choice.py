import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nlcunet.cluster.choice import ModelChoice
from nlcunet.cluster.work import Setup
from nlcunet.errors import ConfigError, WeightsError
from nlcunet.inference.batch import BatchSettings
from nlcunet.inference.loading import load
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler


@pytest.mark.parametrize(
    "choice",
    [
        ModelChoice(name_or_path="4x-NLCUnet-S", device="cpu", tile=16, overlap=4),
        ModelChoice(name_or_path="2x-NLCUnet-S", device="cpu", attention_rounds=2, quality="fast"),
    ],
)
def test_a_network_that_was_sent_enlarges_like_one_that_was_loaded(choice: ModelChoice) -> None:
    header, model = choice.check(SizeRequest())
    assert model is not None
    sent = choice.open(pickle.loads(pickle.dumps(model)))  # noqa: S301 - it was written a moment before
    picture = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    loaded = load(
        choice.name_or_path,
        device="cpu",
        tile=choice.tile,
        overlap=choice.overlap,
        quality=choice.quality,
        attention_rounds=choice.attention_rounds,
    )
    assert header == loaded.header == sent.header
    np.testing.assert_array_equal(sent.upscale(picture), loaded.upscale(picture))


def test_arguments_are_checked_where_the_batch_is_started() -> None:
    good = ModelChoice(name_or_path="bicubic-x2", device="cuda")
    assert good.check(SizeRequest())[0].scale == 2
    for wrong, kind in (
        (replace(good, name_or_path="no-such-model"), WeightsError),
        (replace(good, quality="finest"), ConfigError),
        (replace(good, precision="float8"), ConfigError),
        (replace(good, overlap=-1), ConfigError),
        (replace(good, attention_rounds=2), ConfigError),
    ):
        with pytest.raises(kind):
            wrong.check(SizeRequest())


def test_exports_are_opened_by_the_workers_themselves() -> None:
    header, model = ModelChoice(name_or_path="bicubic-x2", engine="onnx").check(SizeRequest())
    assert header.scale == 2
    assert model is None


def test_files_that_workers_open_are_found_from_where_the_batch_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.onnx").touch()
    opened, upscaler = [], load("bicubic-x2", device="cpu")

    def open_noted(name_or_path: str, **_: object) -> Upscaler:
        opened.append(name_or_path)
        return upscaler

    monkeypatch.setattr("nlcunet.cluster.choice.load", open_noted)
    settings = BatchSettings(request=SizeRequest())
    for name in ("x.onnx", "4x-NLCUnet-S"):
        choice = ModelChoice(name_or_path=name, device="cpu", engine="onnx")
        Setup(choice=choice, model=None, settings=settings, folder=str(tmp_path)).open()
    assert opened == [str(tmp_path / "x.onnx"), "4x-NLCUnet-S"]


def test_machines_of_another_version_are_refused() -> None:
    settings = BatchSettings(request=SizeRequest())
    choice = ModelChoice(name_or_path="bicubic-x2", device="cpu")
    with pytest.raises(ConfigError, match=r"must have the same version of nlcunet: got .* and 0\.0\.1 where"):
        Setup(choice=choice, model=None, settings=settings, folder="/", version="0.0.1").open()
