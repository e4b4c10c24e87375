"""Names of SSDNet's tensors in the published program."""

import re

_LAYERS = {
    "first.0.weight": "pack_fist.weight",
    "first.1.weight": "patch_embed.proj.weight",
    **{f"shrink.{i}.0.weight": f"down{i + 1}_{i + 2}.body.0.weight" for i in range(3)},
    **{f"grow.{i}.0.weight": f"up{4 - i}_{3 - i}.body.0.weight" for i in range(3)},
    **{f"join.{i}.weight": f"reduce_chan_level{3 - i}.weight" for i in range(2)},
    "picture.0.weight": "refinement_2.0.weight",
    "out.0.weight": "out.0.weight",
    "branch.0.weight": "sigma.0.weight",
    "branch.3.weight": "sigma.6.weight",
}
_SCALES = {
    **{f"down.{i}": f"encoder_level{i + 1}" for i in range(3)},
    "down.3": "latent",
    **{f"up.{i}": f"decoder_level{3 - i}" for i in range(2)},
    "last": "decoder_level1",
    "refine": "refinement",
    "branch.2": "sigma",
}
_PARTS = {
    "norms.0": "norm1.body",
    "norms.1": "norm2.body",
    "attention.temperature": "attn.temperature",
    "attention.projection": "attn.qkv",
    "attention.spread": "attn.qkv_dwconv",
    "attention.context": "attn.bigk.bigk",
    "attention.of_channels": "attn.conv2atten.conv_du",
    "attention.of_pixels": "attn.atten2conv",
    "attention.last": "attn.project_out",
    "feed_forward.widen": "ffn.project_in",
    "feed_forward.spread": "ffn.dwconv",
    "feed_forward.last": "ffn.project_out",
}
_MODULE = re.compile(rf"({'|'.join(_SCALES)})\.(\d+)\.({'|'.join(_PARTS)})(.*)")


def official_name(name: str) -> str:
    """The published program's name of a tensor of `isptoolkit.recipes.ssdnet.build(PUBLISHED)`.

    >>> official_name("net.down.0.1.attention.projection.weight")
    'encoder_level1.1.attn.qkv.weight'
    """
    own = name.removeprefix("net.")
    match = _MODULE.fullmatch(own)
    if match is None:
        return _LAYERS.get(own, own)
    scale, number, part, rest = match.groups()
    # The program counts the modules of the branch together with the layers before them.
    place = int(number) + (2 if scale == "branch.2" else 0)
    return f"{_SCALES[scale]}.{place}.{_PARTS[part]}{rest}"
