import numpy as np
import pytest
import torch
from doctor_pictures import resized, scene, with_noise

from nlcunet.data.checking.examination import Limits
from nlcunet.data.checking.fingerprints import (
    ORIENTATIONS,
    _cosines,
    best_earlier_matches,
    best_matches,
    fingerprint,
    turned,
)
from nlcunet.imaging.lossy import jpeg_round_trip

SCENES = [scene(seed) for seed in range(8)]
FEATURES = np.stack([fingerprint(pixels) for pixels in SCENES])
LIMIT = Limits().similarity
TURNED = {
    "as it is": lambda p: p,
    "mirrored": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1],
    "turned by 180°": lambda p: p[::-1, ::-1],
    "transposed": lambda p: p.swapaxes(0, 1),
    "turned clockwise": lambda p: np.rot90(p, -1),
    "turned anticlockwise": lambda p: np.rot90(p, 1),
    "transposed the other way": lambda p: np.rot90(p, 2).swapaxes(0, 1),
}


def similarity(copy, index):
    return best_matches(fingerprint(np.ascontiguousarray(copy))[None], FEATURES[index : index + 1])[0].similarity


def test_basis_is_orthonormal():
    np.testing.assert_allclose(_cosines() @ _cosines().T, np.eye(12), atol=1e-12)


def test_fingerprints_have_unit_length_and_flat_pictures_none():
    np.testing.assert_allclose(np.linalg.norm(FEATURES, axis=1), 1, rtol=1e-5)
    assert not fingerprint(np.full((60, 80, 3), 200, dtype=np.uint8)).any()
    flat = np.zeros((2, FEATURES.shape[1]), np.float32)
    assert best_earlier_matches(flat)[1].similarity == 0


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_fingerprints_are_those_of_turned_pictures(orientation):
    expected = fingerprint(np.ascontiguousarray(TURNED[orientation](SCENES[0])))
    by_sign = turned(FEATURES[:1])[ORIENTATIONS.index(orientation), 0]
    np.testing.assert_allclose(by_sign, expected, atol=2e-3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_shrunk_and_compressed_copies_are_known_again(orientation):
    for index, pixels in enumerate(SCENES):
        copy = np.ascontiguousarray(TURNED[orientation](pixels))
        copy = jpeg_round_trip(resized(copy, copy.shape[0] // 2, copy.shape[1] // 2), 30)
        match = best_matches(fingerprint(copy)[None], FEATURES)[0]
        assert match.index == index
        assert match.orientation == orientation
        assert match.similarity > 0.9


def test_brightness_gamma_noise_and_a_small_crop_are_no_disguise():
    for index, pixels in enumerate(SCENES):
        assert similarity((pixels * 0.6 + 60).astype(np.uint8), index) > 0.95
        assert similarity((255 * (pixels / 255) ** 1.5).astype(np.uint8), index) > 0.85
        assert similarity(with_noise(pixels, 15.0), index) > 0.95
        assert similarity(pixels[5:-5, 6:-6], index) > LIMIT


def test_strangers_are_not_taken_for_the_same():
    matches = best_earlier_matches(FEATURES)
    assert matches[0] is None
    assert max(match.similarity for match in matches[1:]) < LIMIT - 0.1


def test_search_in_blocks_finds_the_best_of_all(monkeypatch):
    monkeypatch.setattr("nlcunet.data.checking.fingerprints._ROWS", 3)
    random = np.random.default_rng(0).normal(size=(30, FEATURES.shape[1])).astype(np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    views = turned(random)
    similar = np.einsum("qf,vrf->qrv", random, views).max(axis=2)
    for index, match in enumerate(best_matches(random[:7], random)):
        assert match.index == similar[index].argmax() == index
    for index, match in list(enumerate(best_earlier_matches(random)))[1:]:
        assert match.index == similar[index, :index].argmax()
        assert match.similarity == pytest.approx(similar[index, :index].max(), abs=1e-5)


def test_nothing_to_compare_with_is_no_match():
    empty = np.zeros((0, FEATURES.shape[1]), np.float32)
    assert best_matches(FEATURES[:2], empty) == [None, None]
    assert best_matches(empty, FEATURES) == []


def test_large_and_small_copies_have_one_fingerprint():
    large = torch.from_numpy(SCENES[1]).repeat_interleave(5, 0).repeat_interleave(5, 1).numpy()
    assert similarity(large, 1) > 0.99
    assert similarity(resized(SCENES[1], 48, 64), 1) > 0.98
    assert np.isfinite(fingerprint(SCENES[1][:3, :5])).all()
