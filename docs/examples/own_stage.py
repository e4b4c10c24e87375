"""Does my stage keep its promise?
===============================

The law checker that tests the package's own stages is public. Here it meets a gamma curve with two mistakes, one after
the other.
"""

# %%
# A first version
# ---------------
# A gamma curve looks invertible, and its contract says so.

import matplotlib.pyplot as plt
import torch
from hypothesis import given, settings

from isptoolkit import SRGB, Capture, Contract, Stage
from isptoolkit.testing import assert_lawful, check, images


class Gamma(Stage):
    """A plain power of 1/2.2, for values below 0 the same as at 0."""

    takes = gives = SRGB
    contract = Contract(round_trip=0.0, re_render=0.0, condition=16.0, neutral=True)

    def forward(self, x, capture):
        return x.clamp(min=0) ** (1 / 2.2)

    def inverse(self, y, capture):
        return y.clamp(min=0) ** 2.2


try:
    assert_lawful(Gamma())
except AssertionError as broken:
    print(broken)

# %%
# The clamp loses what lies below 0, as the noise around black does. A curve that is odd loses nothing.
#
# A second version
# ----------------


class OddGamma(Stage):
    """An odd power of 1/2.2; the inverse uses the exponent of the other curve by mistake."""

    takes = gives = SRGB
    contract = Contract(round_trip=0.0, re_render=0.0, condition=16.0, neutral=True)

    def forward(self, x, capture):
        return x.sign() * self.safe(x) ** (1 / 2.2)

    def inverse(self, y, capture):
        return y.sign() * self.safe(y) ** 2.4

    @staticmethod
    def safe(x):
        return torch.where(x == 0, 1, x.abs())


ramp = torch.linspace(-0.25, 1.25, 301, dtype=torch.float64).expand(1, 3, 1, 301)
capture = Capture.of("RGGB")
report = check(OddGamma(), ramp, capture)
print(report)

# %%
# The same as a property test
# ---------------------------
# The Hypothesis strategies make hard inputs (exact 0 and 1, denormals, values out of range, single pixels) for tests of
# your own. This one holds for both versions: neither lets equal channels drift apart.


@settings(max_examples=50, deadline=None, database=None)
@given(images())
def grey_stays_grey(image):
    grey = image[:, :1].expand(-1, 3, -1, -1)
    for stage in (Gamma(), OddGamma()):
        y = stage(grey, capture)
        assert torch.equal(y[:, 0], y[:, 1])


grey_stays_grey()

# %%
# Where the two err
# -----------------

figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
x = ramp[0, 0, 0]
for stage, color, label, at in ((Gamma(), "#c0392b", "clamped", 20), (OddGamma(), "#2c5fa8", "wrong exponent", 240)):
    error = stage.inverse(stage(ramp, capture), capture)[0, 0, 0] - x
    axis.plot(x, error, color=color)
    axis.annotate(label, (x[at], error[at]), (6, -12 if at > 99 else 4), textcoords="offset points", color=color)
axis.axhline(0, color="0.7", linewidth=0.8)
axis.set(xlabel="x", ylabel="inverse(forward(x)) − x", title="What the round trip gets wrong")
axis.spines[["top", "right"]].set_visible(False)
axis.margins(x=0)
