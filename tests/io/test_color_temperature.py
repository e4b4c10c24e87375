"""Correlated color temperature against colour-science."""

import colour
import numpy as np
import pytest

from isptoolkit.io.color_temperature import correlated_temperature


def expected(xy):
    uv = colour.UCS_to_uv(colour.XYZ_to_UCS(colour.xy_to_XYZ(xy)))
    return colour.temperature.uv_to_CCT_Robertson1968(uv)[0]


@pytest.mark.parametrize("name", sorted(colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]))
def test_standard_illuminants(name):
    xy = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"][name]
    assert correlated_temperature(xy) == pytest.approx(expected(xy), rel=1e-12)


def test_any_chromaticity():
    """Between any two lines, before the first and beyond the last, far from the Planckian locus."""
    points = np.random.default_rng(0).uniform((0.2, 0.2), (0.65, 0.5), (2000, 2))
    temperatures = [correlated_temperature(xy) for xy in points]
    assert temperatures == pytest.approx([expected(xy) for xy in points], rel=1e-12)
    assert max(temperatures) == 100_000
    assert min(temperatures) == pytest.approx(1e6 / 600)


def test_the_planckian_locus():
    for kelvin in (1800, 2856, 4000, 6500, 12_000, 40_000):
        u, v = colour.temperature.CCT_to_uv_Robertson1968([kelvin, 0])
        xy = (3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4))
        assert correlated_temperature(xy) == pytest.approx(kelvin, rel=1e-4)
