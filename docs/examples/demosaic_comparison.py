"""Three ways to demosaic
======================

A color filter array measures one color per pixel, and demosaicing fills in the other two. All three methods keep the
measured samples bit for bit, so sampling their output again returns the same mosaic. They differ in how they fill in
the missing values, which is most visible in fine detail.
"""

# %%
# Two difficult subjects: a zone plate, whose rings get finer toward the resolution limit of the sensor, and a
# photograph reduced to half its size, so that its detail is as fine as its pixels.

import matplotlib.pyplot as plt
import torch
from matplotlib import cbook
from torch.nn import functional as F

from isptoolkit import Capture, read_image, stages
from isptoolkit.metrics import psnr

capture = Capture.of("RGGB")
size = 192
y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
rings = 0.5 + 0.45 * torch.cos(torch.pi * 0.85 * (x.square() + y.square()) / (2 * size))
zone_plate = rings.expand(1, 3, size, size).double()
photograph = read_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).double()
photograph = F.avg_pool2d(photograph, 2)[..., 16:112, 72:168]

methods = {
    "bilinear": stages.DemosaicBilinear(),
    "Malvar, He, Cutler 2004": stages.DemosaicMalvar(),
    "Menon et al. 2007": stages.DemosaicMenon(),
}
inner = (..., slice(8, -8), slice(8, -8))

# %%
# Sample each subject with the mosaic, demosaic it, and check the contract's promise.

sample = stages.Mosaic()
figure, axes = plt.subplots(2, 4, figsize=(12, 6.4), layout="constrained")
for row, (name, subject) in zip(axes, {"zone plate": zone_plate, "photograph": photograph}.items(), strict=True):
    mosaic = sample(subject, capture)
    row[0].imshow(subject[0].permute(1, 2, 0), interpolation="nearest")
    row[0].set_title(f"{name}", fontsize=10)
    for axis, (method, stage) in zip(row[1:], methods.items(), strict=True):
        image = stage(mosaic, capture)
        assert torch.equal(stage.inverse(image, capture), mosaic)
        axis.imshow(image[0].clamp(0, 1).permute(1, 2, 0), interpolation="nearest")
        axis.set_title(f"{method}: {float(psnr(image[inner], subject[inner])):.1f} dB", fontsize=10)
for axis in axes.flat:
    axis.set_axis_off()

# %%
# Bilinear interpolation turns fine rings into rainbows. Malvar's filters borrow detail from the color measured at each
# pixel; Menon's method interpolates along the direction in which the colors change least.
