"""Correlated color temperature from chromaticity."""

import math
from collections.abc import Sequence

_LINES = (
    (0, 0.18006, 0.26352, -0.24341),
    (10, 0.18066, 0.26589, -0.25479),
    (20, 0.18133, 0.26846, -0.26876),
    (30, 0.18208, 0.27119, -0.28539),
    (40, 0.18293, 0.27407, -0.30470),
    (50, 0.18388, 0.27709, -0.32675),
    (60, 0.18494, 0.28021, -0.35156),
    (70, 0.18611, 0.28342, -0.37915),
    (80, 0.18740, 0.28668, -0.40955),
    (90, 0.18880, 0.28997, -0.44278),
    (100, 0.19032, 0.29326, -0.47888),
    (125, 0.19462, 0.30141, -0.58204),
    (150, 0.19962, 0.30921, -0.70471),
    (175, 0.20525, 0.31647, -0.84901),
    (200, 0.21142, 0.32312, -1.0182),
    (225, 0.21807, 0.32909, -1.2168),
    (250, 0.22511, 0.33439, -1.4512),
    (275, 0.23247, 0.33904, -1.7298),
    (300, 0.24010, 0.34308, -2.0637),
    (325, 0.24792, 0.34655, -2.4681),
    (350, 0.25591, 0.34951, -2.9641),
    (375, 0.26400, 0.35200, -3.5814),
    (400, 0.27218, 0.35407, -4.3633),
    (425, 0.28039, 0.35577, -5.3762),
    (450, 0.28863, 0.35714, -6.7262),
    (475, 0.29685, 0.35823, -8.5955),
    (500, 0.30505, 0.35907, -11.324),
    (525, 0.31320, 0.35968, -15.628),
    (550, 0.32129, 0.36011, -23.325),
    (575, 0.32931, 0.36038, -40.770),
    (600, 0.33724, 0.36051, -116.45),
)
# Isotemperature lines: reciprocal megakelvin; u and v on the Planckian locus, CIE 1960 UCS; slope of the line. From
# DATA_ISOTEMPERATURE_LINES_ROBERTSON1968 of colour-science 0.4.7 (BSD-3-Clause), with its correction of u at 325. The
# package itself, whose values the tests compare, has 100 MB and takes over a second to import.


def correlated_temperature(xy: Sequence[float]) -> float:
    """The correlated color temperature by Robertson 1968, in kelvin: the method that DNG renderers use.

    The reciprocal temperature is interpolated between the two isotemperature lines on either side of the point, in
    proportion to its distances from them.

    Args:
        xy: CIE 1931 chromaticity.

    >>> round(correlated_temperature((0.3127, 0.3290)))  # D65
    6504
    """
    x, y = xy
    scale = -2 * x + 12 * y + 3  # CIE 1960 UCS
    u, v = 4 * x / scale, 6 * y / scale
    distances = [(v - line_v - slope * (u - line_u)) / math.hypot(1, slope) for _, line_u, line_v, slope in _LINES]
    last = len(_LINES) - 1
    after = next((i for i in range(1, last) if distances[i] <= 0), last)
    beyond = -min(distances[after], 0.0)
    share = beyond / (distances[after - 1] + beyond) if after > 1 else 0.0
    return 1e6 / (share * _LINES[after - 1][0] + (1 - share) * _LINES[after][0])
