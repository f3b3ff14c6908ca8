"""Protocols: their pairs are fixed for ever, and their descriptions say what they do."""

import pytest

from nlcunet.errors import ConfigError
from nlcunet.evaluation.protocols import SCALES, SUMMARIES, Protocol, find_protocol


def test_gaussian8_makes_eight_pairs_of_rising_sigma():
    pairs = find_protocol("gaussian8", 4).records("any.png")
    assert [(index, record.sigma_px) for index, record in pairs] == list(
        enumerate((1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2))
    )


def test_a_subset_keeps_the_kernels_numbers_and_says_that_it_is_one():
    protocol = find_protocol("gaussian8", 2, (1.6, 0.91))
    assert [index for index, _ in protocol.records("any.png")] == [1, 7]
    assert protocol.is_partial
    assert "a part of it" in protocol.description()[0]
    assert not find_protocol("gaussian8", 2).is_partial


def test_standin_kernels_depend_on_the_file_name_only():
    protocol = find_protocol("anisotropic-standin", 4)
    assert protocol.records("a.png") == find_protocol("anisotropic-standin", 4).records("a.png")
    assert protocol.records("a.png") != protocol.records("b.png")
    (_, record), *others = protocol.records("a.png")
    assert not others
    assert (record.kernel, record.kernel_size_px, record.kernel_noise) == ("anisotropic", 31, 0.25)


def test_standin_kernels_are_the_ones_of_version_1():
    # Written down when version 1 was made: other numbers would be another protocol.
    (_, record) = find_protocol("anisotropic-standin", 4).records("a.png")[0]
    assert (record.seed, round(record.sigma_x_px, 6), round(record.angle_rad, 6)) == (
        212888132763951,
        3.441699,
        0.545927,
    )


def test_bicubic_has_no_blur():
    assert [record.kernel for _, record in find_protocol("bicubic", 3).records("a.png")] == ["none"]


@pytest.mark.parametrize("name", SUMMARIES)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_descriptions_name_protocol_version_scale_and_border(name, scale):
    if scale not in SCALES.get(name, (2, 3, 4)):
        pytest.skip("not a scale of this protocol")
    first, _, last = find_protocol(name, scale).description()
    assert f"{name} ×{scale}, version 1" in first
    assert f"border of {scale} px" in last


def test_descriptions_name_every_sigma():
    assert "1.80, 2.00, 2.20, 2.40, 2.60, 2.80, 3.00, 3.20 px" in find_protocol("gaussian8", 4).description()[1]


def test_impossible_protocols_are_refused():
    with pytest.raises(ConfigError, match=r"one of bicubic, gaussian8, .*div2krk: got .DIV2KRK."):
        find_protocol("DIV2KRK", 4)
    with pytest.raises(ConfigError, match="scale must be one of 2, 3, 4"):
        find_protocol("gaussian8", 6)
    with pytest.raises(ConfigError, match=r"must be one of 1.80, .*: got 5\.0"):
        find_protocol("gaussian8", 4, (2.6, 5.0))
    with pytest.raises(ConfigError, match="scale must be one of 2, 4 for div2krk: got 3"):
        find_protocol("div2krk", 3)
    with pytest.raises(ConfigError, match=r"a seed is for protocols that draw .*: got gaussian8"):
        find_protocol("gaussian8", 4, seed=1)
    with pytest.raises(ConfigError, match="for gaussian8 only: got bicubic"):
        find_protocol("bicubic", 4, (1.8,))


def test_equal_protocols_compare_equal():
    assert find_protocol("bicubic", 2) == Protocol(name="bicubic", scale=2)


def test_the_short_name_means_the_honest_one():
    assert find_protocol("anisotropic", 4) == find_protocol("anisotropic-standin", 4)


def test_another_seed_draws_others_and_is_told():
    protocol = find_protocol("diverse", 4, seed=3)
    assert protocol.records("a.png") != find_protocol("diverse", 4).records("a.png")
    assert "version 1, seed 3" in protocol.description()[0]
    assert "71 degradations" in protocol.description()[1]
