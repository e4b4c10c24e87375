"""Names of RST-ISP-Net's tensors in the published program."""

import re

_RULES = (
    (r"style\.layers", "style_projector.fc"),
    (r"first\.", "conv1.0."),
    (r"leaky\.0", "conv1.1"),
    (r"leaky\.2", "lrelu2"),
    (r"shortcut", "projection"),
    (r"attention\.channels", "ca.fc"),
    (r"attention\.pixels", "sa.conv1"),
    (r"channels", "ca.fc"),
    (r"pixels", "sa.conv1"),
)


def official_name(name: str) -> str:
    """The program's name of a tensor of `isptoolkit.recipes.rst_isp_net.build(PUBLISHED)`.

    >>> official_name("net.blocks.0.first.weight"), official_name("net.tail.1.bias")
    ('ds_res1.conv1.0.weight', 'res6.bias')
    """
    part, place, rest = name.removeprefix("net.").split(".", 2)
    number = int(place)
    if part == "tail":
        return f"res{5 + number}.{rest}"
    if part == "up":
        for own, official in (("first", "conv1"), ("second", "conv2"), ("straight", "projection"), ("unused", "n2")):
            rest = rest.replace(own, official)
        return f"res{2 + number}.{rest}"
    blurred = number in (1, 3, 4, 5)  # whose second convolution comes after a blur
    for own, official in (*_RULES, (r"second\.", f"conv2.{blurred:d}."), (r"leaky\.1", f"conv2.{1 + blurred}")):
        rest = re.sub(f"^{own}", official, rest)
    return f"ds_res{1 + number}.{rest}"
