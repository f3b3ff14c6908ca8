import numpy as np
import pytest

from nlcunet.errors import ConfigError
from nlcunet.inference.loading import load
from nlcunet.inference.quality import QUALITIES
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.attention_rounds import with_attention_rounds
from nlcunet.models.weights import load_model, save_weights


@pytest.fixture
def weights(tiny, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_weights(path, tiny.network, tiny.header)
    return path


def picture(height=30, width=50, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_balanced_is_what_comes_without_a_quality(weights):
    plain, named = load(weights, device="cpu"), load(weights, device="cpu", quality="balanced")
    assert plain.fingerprint() == named.fingerprint()
    assert np.array_equal(plain.upscale(picture()), named.upscale(picture()))


def test_best_runs_the_network_on_every_tile_in_eight_positions(tiny):
    shapes = []
    hook = tiny.network.register_forward_pre_hook(lambda _, arguments: shapes.append(tuple(arguments[0].shape[-2:])))
    settings = {"device": "cpu", "tile": 32, "overlap": 4}
    Upscaler(tiny, **settings).upscale(picture())
    usual, shapes[:] = list(shapes), []
    Upscaler(tiny, **settings, quality="best").upscale(picture())
    hook.remove()
    assert sorted(shapes) == sorted([*4 * usual, *[(width, height) for height, width in 4 * usual]])


def test_best_turns_with_the_picture_where_one_tile_holds_it(tiny):
    upscaler, image = Upscaler(tiny, device="cpu", quality="best"), picture(32, 48).astype(np.float32) / 255
    assert np.allclose(upscaler.upscale(np.rot90(image).copy()), np.rot90(upscaler.upscale(image)), atol=1e-5)
    usual = Upscaler(tiny, device="cpu")
    assert not np.allclose(usual.upscale(np.rot90(image).copy()), np.rot90(usual.upscale(image)), atol=1e-3)


def test_best_enlarges_alpha_as_grey(tiny):
    upscaler, image = Upscaler(tiny, device="cpu", quality="best"), picture(20, 20, 4)
    image[..., :3] = image[..., 3:]
    result = upscaler.upscale(image)
    assert result.shape == (40, 40, 4)
    assert not np.array_equal(result[..., 3], Upscaler(tiny, device="cpu").upscale(image)[..., 3])


def test_fast_sees_fewer_pixels_and_balanced_the_overlap_that_the_model_advises(tiny):
    chosen = {name: Upscaler(tiny, device="cpu", tile=64, quality=name) for name in QUALITIES}
    assert [chosen[name].overlap for name in ("fast", "balanced", "best")] == [8, 16, 16]
    assert load("bicubic-x4", quality="fast").overlap == load("bicubic-x4").overlap == 4


def test_an_overlap_that_is_named_counts_whatever_the_quality(tiny):
    assert Upscaler(tiny, device="cpu", quality="fast", overlap=12).overlap == 12


def test_the_time_that_is_estimated_counts_all_eight_positions(tiny):
    upscaler, runs = Upscaler(tiny, device="cpu", quality="best"), []
    hook = tiny.network.register_forward_pre_hook(lambda *_: runs.append(1))
    upscaler.measure_seconds_per_pixel()
    hook.remove()
    assert len(runs) == 2 * 8  # once to set things up


def test_a_run_is_only_taken_up_with_the_same_quality_and_rounds(weights):
    settings = [{}, {"quality": "fast"}, {"quality": "best"}]
    fingerprints = [load(weights, device="cpu", **each).fingerprint() for each in settings]
    models = (with_attention_rounds(load_model(weights), rounds) for rounds in (1, 3))
    fingerprints += [Upscaler(model, device="cpu").fingerprint() for model in models]
    assert all(a != b for index, a in enumerate(fingerprints) for b in fingerprints[:index])


def test_unknown_qualities_are_refused(tiny):
    with pytest.raises(ConfigError, match="fast, balanced or best: got 'finest'"):
        Upscaler(tiny, quality="finest")
