"""Does my stage honor its contract?
=================================

The law checker that tests the built-in stages is public. Here it finds two mistakes in a gamma curve, one after the
other.
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
    """A plain power of 1/2.2, with values below 0 clamped to 0."""

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
# The clamp discards values below 0, such as noise around black. An odd curve discards nothing.
#
# A second version
# ----------------


class OddGamma(Stage):
    """An odd power of 1/2.2 whose inverse uses the wrong exponent."""

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
# The same check as a property test
# ---------------------------------
# The package's Hypothesis strategies generate hard inputs (exact 0 and 1, denormals, out-of-range values, single
# pixels) for your own tests. This property holds for both versions: equal channels stay equal.


@settings(max_examples=50, deadline=None, database=None)
@given(images())
def gray_stays_gray(image):
    gray = image[:, :1].expand(-1, 3, -1, -1)
    for stage in (Gamma(), OddGamma()):
        y = stage(gray, capture)
        assert torch.equal(y[:, 0], y[:, 1])


gray_stays_gray()

# %%
# Where the two versions go wrong
# -------------------------------

figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
x = ramp[0, 0, 0]
for stage, color, label, at in ((Gamma(), "#c0392b", "clamped", 20), (OddGamma(), "#2c5fa8", "wrong exponent", 240)):
    error = stage.inverse(stage(ramp, capture), capture)[0, 0, 0] - x
    axis.plot(x, error, color=color)
    axis.annotate(label, (x[at], error[at]), (6, -12 if at > 99 else 4), textcoords="offset points", color=color)
axis.axhline(0, color="0.7", linewidth=0.8)
axis.set(xlabel="x", ylabel="inverse(forward(x)) − x", title="Round-trip error")
axis.spines[["top", "right"]].set_visible(False)
axis.margins(x=0)
