"""Every recipe by what it declares: parameter count, golden outputs, training, weights, and its paper."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch
from golden import VECTORS, Golden, load_published

from isptoolkit import Capture, Pipeline, Stage, errors, stages
from isptoolkit.bench.report.published import PUBLISHED
from isptoolkit.data import Batch
from isptoolkit.recipes import RECIPES, recipe
from isptoolkit.train import Objective, Training, train

ROOT = Path(__file__).resolve().parents[2]
RGGB = Capture.of("RGGB")
every_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.name for recipe in RECIPES])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def test_names_lead_to_recipes():
    assert [recipe(one.name) for one in RECIPES] == list(RECIPES)
    names = ", ".join(one.name for one in RECIPES)
    with pytest.raises(errors.InvalidArgument, match=f"^no recipe 'nothing': choose one of {names}$"):
        recipe("nothing")


@every_recipe
def test_parameters_are_as_many_as_published(recipe):
    stage = recipe.build(recipe.published)
    assert isinstance(stage, Stage)
    count = sum(value.numel() for value in stage.parameters())
    assert recipe.parameters in (None, count)


@every_recipe
def test_the_defaults_are_published_values(recipe):
    assert isinstance(recipe.published, recipe.config) and isinstance(recipe.small, recipe.config)
    assert dataclasses.is_dataclass(recipe.config) and recipe.config.__dataclass_params__.frozen
    small = recipe.build(recipe.small)
    count = sum(value.numel() for value in small.parameters())
    assert recipe.parameters is None or count < recipe.parameters


@every_recipe
def test_the_paper_is_in_the_references(recipe):
    if recipe.source is None:
        return
    rows = [line.strip("|").split(" | ") for line in (ROOT / "docs" / "references.md").read_text().splitlines()]
    row = next(row for row in rows if len(row) > 4 and row[2].lower() == recipe.source.title.lower())
    assert row[1].replace("and others", "others") == ", ".join(recipe.source.authors)
    assert int(row[4]) == recipe.source.year


@every_recipe
def test_its_figures_were_published(recipe):
    assert recipe.source is not None or not recipe.reported
    assert set(recipe.reported) <= {figure.entrant for figure in PUBLISHED}
    assert {one.reported for one in recipe.candidates} - {None} <= set(recipe.reported)


def standard(stage, golden, dtype):
    """A file with one input `x` and one output `y` of the whole stage."""
    yield "y", stage(golden["x"].to(dtype), RGGB)


def upi(stage, golden, dtype):
    """The program is given the variance of each sample, has channels last, and kernels as TensorFlow lays them out."""
    x, variance = (golden[name].permute(0, 3, 1, 2).to(dtype) for name in ("x", "variance"))
    yield "y", (x + stage.net(torch.cat((x, variance), 1))).permute(0, 2, 3, 1)


def zero_noise(stage, golden, dtype):
    """The program ends with a ReLU, where ours is clipped at 1 as well."""
    yield "y", stage.net(golden["x"].to(dtype)).relu()


def rst_isp_net(stage, golden, dtype):
    """Not clipped, as in the program."""
    yield "y", stage.net(golden["x"].to(dtype))


def ssdnet(stage, golden, dtype):
    yield "mu", stage(golden["x"].to(dtype), RGGB)


def invisp(pipeline, golden, dtype):
    """Both directions of the network alone."""
    yield "y_forward", pipeline["render"](golden["x_forward"].to(dtype), RGGB)
    yield "y_inverse", pipeline["render"].inverse(golden["x_inverse"].to(dtype), RGGB)


OUTPUTS = {"upi": upi, "zero_noise": zero_noise, "rst_isp_net": rst_isp_net, "ssdnet": ssdnet, "invisp": invisp}
"""How files that were recorded in another form are run; `standard` for all others."""


def published_weights(name, golden):
    """The program's weights, in the layout and completeness of ours."""
    weights = golden.weights()
    if name == "upi":
        return {key: value.permute(3, 2, 0, 1) if value.ndim == 4 else value for key, value in weights.items()}
    if name == "rst_isp_net":  # batch norms that never run
        return weights | {f"res{n}.n2.num_batches_tracked": torch.tensor(0) for n in (2, 3, 4)}
    if name == "invisp":
        mixes = {part: golden[f"invconv_{part}"] for part in ("p", "sign_s", "lower", "upper", "log_s")}
        return weights | {
            f"operations.{i}.invconv.{part}": values[i] for part, values in mixes.items() for i in range(8)
        }
    return weights


@pytest.fixture(scope="module")
def golden_stages():
    """Built once: some have tens of millions of weights."""
    return {}


def golden_stage(one, golden, built):
    if one.name not in built:
        stage = one.build(one.published)
        network = stage["render"] if isinstance(stage, Pipeline) else stage
        load_published(network, published_weights(one.name, golden), one.official_name or str)
        built.clear()
        built[one.name] = stage.eval()
    return built[one.name]


@dtypes
@pytest.mark.parametrize("name", [one.name for one in RECIPES if one.parameters is not None])
def test_golden_outputs(name, dtype, golden_stages):
    """`build(published)` with the published program's weights computes the program's outputs."""
    golden = Golden(name)
    stage = golden_stage(recipe(name), golden, golden_stages).to(dtype)
    with torch.no_grad():
        for output, value in OUTPUTS.get(name, standard)(stage, golden, dtype):
            golden.check(output, value)


def test_every_published_recipe_has_a_golden_file():
    for one in RECIPES:
        assert (one.parameters is None) != bool(list(VECTORS.glob(f"{one.name}-*.npz")))


class Scenes:
    """RAW with its rendering, or clean RAW where the recipe denoises."""

    def __init__(self, denoises):
        self.denoises = denoises

    def batch(self, number, size, patch, *, seed, rank, world):
        sensor = 0.2 + 0.6 * torch.rand(size, 1, patch, patch, generator=torch.Generator().manual_seed(number))
        capture = Capture.collate([Capture.of("RGGB", gains=(2.0, 1.0, 1.5), noise=(1e-3, 1e-5))] * size)
        return Batch(sensor, capture, sensor if self.denoises else sensor.expand(-1, 3, -1, -1) ** (1 / 2.2))


@every_recipe
def test_it_trains_and_its_weights_load(recipe, tmp_path):
    """The file states recipe and configuration, and holds the stage's tensors by the stage's names."""
    about = {"recipe": recipe.name, "config": json.dumps(dataclasses.asdict(recipe.small))}
    source, training = Scenes(recipe.photographs is not None), Training(steps=1, batch=1, patch=32, preview_every=1)
    result = train(lambda: recipe.objective(recipe.small), source, training, tmp_path, about=about)
    assert isinstance(result, Objective)
    stage = recipe.load(tmp_path / "weights.safetensors")
    assert not stage.training and stage.state_dict().keys() == recipe.build(recipe.small).state_dict().keys()
    for key, value in result.stage.state_dict().items():
        assert torch.equal(stage.state_dict()[key], value)
    (tmp_path / "other.safetensors").write_bytes((tmp_path / "weights.safetensors").read_bytes())
    others = [one for one in RECIPES if one is not recipe]
    with pytest.raises(errors.UnreadableFile, match=f"it was trained with {recipe.name}"):
        others[0].load(tmp_path / "other.safetensors")
    if recipe.camera is None:
        with pytest.raises(errors.InvalidArgument, match=f"the recipe {recipe.name} does not render RAW files"):
            recipe.load_camera(tmp_path / "weights.safetensors")
    else:
        camera = recipe.load_camera(tmp_path / "weights.safetensors")
        assert (camera.takes.name, camera.gives.name, camera.two_way) == ("sensor", "srgb", True)


@every_recipe
def test_candidates_state_their_size(recipe):
    for one in recipe.candidates:
        assert not re.search("[{}]", one.about(full=True) + one.about(full=False))
        if one.full != one.small:
            assert "as published" in one.about(full=True) and one.smaller in one.about(full=False)


def test_a_denoiser_of_ssdnet_is_a_stage_between_packed_raw():
    """Its weights do not render."""
    from isptoolkit.recipes import ssdnet

    config = dataclasses.replace(ssdnet.TINY, inputs=4)
    stage, mosaic = ssdnet.build(config), torch.rand(1, 1, 20, 24)
    assert stage(stages.Pack()(mosaic, RGGB), RGGB).shape == (1, 4, 10, 12)
    with pytest.raises(errors.InvalidArgument, match="denoise packed RAW"):
        recipe("ssdnet").camera(stage)
