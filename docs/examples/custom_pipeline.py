"""Build a pipeline and fit it by gradient descent
===============================================

Build a small camera, swap its display curve for another, and recover its white-balance gains from one of its images.
Any value that a stage reads from the capture can instead be passed to its constructor as an ``nn.Parameter``.
"""

# %%
# A camera and a scene
# --------------------
# The scene is a photograph passed through the camera's inverse: the mosaic that this sensor would have recorded.

import matplotlib.pyplot as plt
import torch
from matplotlib import cbook

from isptoolkit import Capture, Pipeline, read_image, stages

camera = Pipeline(
    levels=stages.Levels(),
    balance=stages.WhiteBalance(),
    demosaic=stages.DemosaicMalvar(),
    matrix=stages.ColorMatrix(),
    curve=stages.SRGBCurve(),
)
capture = Capture.of(
    "RGGB",
    black=64,
    white=1023,
    gains=(2.1, 1.0, 1.6),
    srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
)
photograph = read_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))[..., 40:296, 120:376]
sensor = camera.inverse(photograph, capture)
image = camera(sensor, capture)
print(camera.draw())

# %%
# Swap a stage
# ------------
# ``swap`` returns a new pipeline that shares the other stages. Here the display curve becomes a plain power of 1/1.8.

softer = camera.swap("curve", stages.PowerCurve(gamma=1.8))

# %%
# Fit the gains
# -------------
# Discard the gains, start from 1, and recover them from the image.

gains = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
fitted = camera.swap("balance", stages.WhiteBalance(gains=gains))
start = fitted(sensor, capture).detach()
optimizer = torch.optim.Adam([gains], lr=0.05)
path = []
for _ in range(160):
    optimizer.zero_grad()
    loss = (fitted(sensor, capture) - image).square().mean()
    loss.backward()
    path.append(gains.detach().clone())
    optimizer.step()
print("true  ", capture.gains[0].tolist())
print("fitted", [round(gain, 3) for gain in gains.tolist()])

# %%


def show(axes, rendered, title):
    axes.imshow(rendered[0].detach().clamp(0, 1).permute(1, 2, 0))
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
show(axes[0], image, "the camera")
show(axes[1], softer(sensor, capture), "curve: power of 1/1.8")
show(axes[2], start, "gains discarded")
show(axes[3], fitted(sensor, capture), "gains fitted")

figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
for index, (name, color) in enumerate((("red", "#c0392b"), ("green", "#2e8b57"), ("blue", "#2c5fa8"))):
    axis.plot([float(step[index]) for step in path], color=color)
    axis.axhline(float(capture.gains[0, index]), color=color, linestyle=":", linewidth=1)
    axis.annotate(name, (len(path) - 1, float(path[-1][index])), (5, -3), textcoords="offset points", color=color)
axis.set(xlabel="step", ylabel="gain", title="The fitted gains converge to the true ones (dotted)")
axis.spines[["top", "right"]].set_visible(False)
axis.margins(x=0)
