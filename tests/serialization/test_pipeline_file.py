"""Pipeline files: exact round trips, and one-sentence errors for every hostile file."""

import hashlib
import json
import struct
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from isptoolkit import MOSAIC, SRGB, Capture, ChannelSplit, Contract, Learned, Pair, Parallel, Pipeline, Space, Stage
from isptoolkit.errors import PipelineFileError
from isptoolkit.serialization.file import MAX_TEXT, build, dump, load, save, with_values
from isptoolkit.stage import Inverse


class Scale(Stage):
    """Multiplies by a number."""

    contract = Contract(round_trip=0.0, re_render=0.0)

    def __init__(self, gain: float | Tensor | list[float] = 2.0, space: Space = MOSAIC, note: str | None = "x") -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.note = note
        self.hold("gain", gain, ())

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x * self.gain.to(x.dtype).reshape(-1, 1, 1, 1)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y / self.gain.to(y.dtype).reshape(-1, 1, 1, 1)


class Table(Stage):
    """Has unannotated arguments, a long table, and its own weights."""

    takes = gives = MOSAIC
    contract = Contract(round_trip=None, re_render=None)

    def __init__(self, table, mode="linear", sizes=(1, 2)):  # type: ignore[no-untyped-def]
        super().__init__()
        self.mode, self.sizes = mode, sizes
        self.hold("table", table, (None,))
        self.inner = nn.Linear(1, 1)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        inner = self.inner.weight.to(x.dtype) * x + self.inner.bias.to(x.dtype)
        return inner + self.table.to(x.dtype).sum() * len(self.sizes)


class Same(Stage):
    """Takes no arguments at all."""

    takes = gives = MOSAIC
    contract = Contract(round_trip=0.0, re_render=0.0)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y


class Net(nn.Sequential):
    """A network whose evaluation reads a buffer."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1))


KNOWN = {
    kind.__name__: kind for kind in (Same, Scale, Table, Net, Pipeline, Parallel, ChannelSplit, Pair, Learned, Inverse)
}
PAIR = Space("pair", 2)
LEFT, RIGHT = ChannelSplit(PAIR, (1, 1)).gives
CAPTURE = Capture.of("RGGB")


def everything() -> Pipeline:
    net = Net().eval()
    net[1].running_mean.fill_(0.3)
    return Pipeline(
        parameter=Scale(nn.Parameter(torch.tensor(1 / 3))),
        none=Scale(torch.tensor(0.1, dtype=torch.float32), note=None),
        table=Table(torch.linspace(0, 1, 40, dtype=torch.float64) ** 2, mode="srgb", sizes=(1, 2, 3)),
        nested=Pipeline(back=Scale(3.3).inv, net=Learned(net, MOSAIC, MOSAIC)),
        pair=Pair(Scale(1 / 7), Scale(7.0), Contract(None, 0.0, reach=None)),
        same=Same(),
        frozen=Scale(nn.Parameter(torch.tensor(5.0), requires_grad=False)),
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_round_trip_is_exact(tmp_path: Path, dtype: torch.dtype) -> None:
    pipeline = everything().to(dtype)
    save(pipeline, tmp_path / "isp.toml")
    loaded = load(tmp_path / "isp.toml", KNOWN)
    x = torch.rand(2, 1, 6, 8, dtype=dtype)
    assert torch.equal(loaded(x, CAPTURE), pipeline(x, CAPTURE))
    assert loaded.state_dict().keys() == pipeline.state_dict().keys()
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), pipeline.state_dict().values(), strict=True)
    )
    assert [n for n, p in loaded.named_parameters() if p.requires_grad] == [
        n for n, p in pipeline.named_parameters() if p.requires_grad
    ]
    assert loaded["none"].note is None
    assert (loaded["table"].mode, loaded["table"].sizes) == ("srgb", (1, 2, 3))
    assert loaded["pair"].contract == pipeline["pair"].contract
    assert not loaded["nested"].stages["net"].net.training
    assert dump(loaded)[0] == dump(pipeline)[0]


def test_values_keep_their_precision(tmp_path: Path) -> None:
    save(everything(), tmp_path / "isp.toml")
    loaded = load(tmp_path / "isp.toml", KNOWN)
    assert loaded["nested"].stages["back"].stage.gain.item() == 3.3
    assert loaded["none"].gain.dtype == torch.float32


def test_parallel_and_custom_spaces(tmp_path: Path) -> None:
    pipeline = Parallel(ChannelSplit(PAIR, (1, 1)), luma=Scale(2.0, LEFT), chroma=Pipeline(a=Scale([0.5], RIGHT)))
    save(pipeline, tmp_path / "isp.toml")
    assert not (tmp_path / "isp.safetensors").exists()
    loaded = load(tmp_path / "isp.toml", KNOWN)
    x = torch.rand(1, 2, 3, 3)
    assert torch.equal(loaded(x, CAPTURE), pipeline(x, CAPTURE))
    assert loaded.takes == PAIR


def test_the_file_is_readable(tmp_path: Path) -> None:
    save(Pipeline(first=Scale(2.5), last=Scale(0.5, note='a "quoted" \x7f note')), tmp_path / "isp.toml")
    text = (tmp_path / "isp.toml").read_text()
    assert '[stages.first]\ntype = "Scale"\ngain = 2.5\nspace = "mosaic"\n' in text
    assert tomllib.loads(text)["stages"]["last"]["note"] == 'a "quoted" \x7f note'


@pytest.mark.parametrize(
    "value",
    [0.1, -0.0, 5e-324, 1.7976931348623157e308, (0.1, 0.2)],
)
def test_numbers_are_exact(tmp_path: Path, value: float | tuple[float, ...]) -> None:
    class Holder(Stage):
        takes = gives = MOSAIC
        contract = Contract(0.0, 0.0)

        def __init__(self, value):  # type: ignore[no-untyped-def]
            super().__init__()
            self.value = value

        def forward(self, x: Tensor, capture: Capture) -> Tensor:
            return x

    save(Holder(value), tmp_path / "isp.toml")
    assert repr(load(tmp_path / "isp.toml", {"Holder": Holder}).value) == repr(value)


def test_arguments_that_cannot_be_saved_are_named(tmp_path: Path) -> None:
    stage = Scale(1.0)
    stage.note = object()  # type: ignore[assignment]
    with pytest.raises(PipelineFileError, match=r"stages\.bad\.note: a object cannot be saved"):
        save(Pipeline(bad=stage), tmp_path / "isp.toml")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PipelineFileError, match="does not exist"):
        save(Scale(1.0), tmp_path / "no" / "isp.toml")
    with pytest.raises(PipelineFileError, match="name a TOML file"):
        save(Scale(1.0), tmp_path / "isp.safetensors")


def test_pipeline_methods_take_classes(tmp_path: Path) -> None:
    Pipeline(a=Scale(2.0)).save(tmp_path / "isp.toml")
    assert Pipeline.load(tmp_path / "isp.toml", classes=[Scale])["a"].gain == 2
    with pytest.raises(PipelineFileError, match=r"stages\.a: unknown class 'Scale', pass it in classes"):
        Pipeline.load(tmp_path / "isp.toml")


HEAD = "[isptoolkit]\nformat = 1\n"
SCALE = 'type = "Pipeline"\n[stages.a]\ntype = "Scale"\n'
TWO = SCALE + '[stages.b]\ntype = "Scale"\nspace = "srgb"\n'
NESTED = "".join("stage." * depth + 'type = "Inverse"\n' for depth in range(40)) + "stage." * 40 + 'type = "Scale"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no \\[isptoolkit\\] table"),
        ("= 3", "not valid TOML"),
        ("a = " + "[" * 3900, "too deeply nested|not valid TOML"),
        ("a = " + "[\n" * 100_000, "too deeply nested"),
        ("a." * 5000 + "b = 1", "a line is longer"),
        ("#" * (MAX_TEXT + 1), "longer than"),
        ("[isptoolkit]\nformat = 2\n", "unknown format 2"),
        ("[isptoolkit]\nformat = 1\nweights = '../../etc/passwd'\n", "got also"),
        (HEAD, "not a valid value"),
        ('type = "os.system"\n' + HEAD, "unknown class 'os.system'"),
        ('type = "Net"\n' + HEAD, "Net is not a stage"),
        ('type = "ChannelSplit"\ntakes = "srgb"\nsizes = [1, 2]\n' + HEAD, "describes a stage"),
        (SCALE + "gian = 3.0\n" + HEAD, r"stages\.a\.gian: Scale has no such argument, only gain, space, note"),
        (SCALE + 'gain = "much"\n' + HEAD, r"stages\.a\.gain: must be a number or a list of numbers, got 'much'$"),
        ('type = "Same"\ngain = 3.0\n' + HEAD, "gain: Same has no such argument, only nothing"),
        (SCALE + "gain = true\n" + HEAD, r"stages\.a\.gain: must be"),
        (SCALE + "gain = [1, 2, [3]]\n" + HEAD, r"stages\.a: Scale rejected"),
        (SCALE + "gain = inf\n" + HEAD, "must be finite"),
        (SCALE + "gain = 1979-05-27\n" + HEAD, "not a valid value in a pipeline file"),
        (SCALE + 'space = "nowhere"\n' + HEAD, r"stages\.a\.space: must be a space, got 'nowhere'"),
        (SCALE + 'space = {name = "n", channels = "3"}\n' + HEAD, "not a valid value"),
        (SCALE + 'space = {name = "n", channels = 0}\n' + HEAD, "a space needs"),
        (SCALE + 'gain = {parameter = "k"}\n' + HEAD, "no tensor 'k' in the weights"),
        (SCALE + 'gain = {values = "ab", dtype = "float64"}\n' + HEAD, "rejected its arguments"),
        (SCALE + 'gain = {module = "Scale", evil = 1}\n' + HEAD, "not a valid value"),
        ('type = "Pipeline"\nstages = 3\n' + HEAD, "stages: must be a table"),
        ('type = "Pipeline"\n' + HEAD, "at least one stage"),
        ('type = "Pipeline"\n[stages."a b"]\ntype = "Scale"\n' + HEAD, "cannot name a stage"),
        ('type = "Pipeline"\n[stages.self]\ntype = "Scale"\n' + HEAD, "this name is reserved"),
        ('type = "Table"\n' + HEAD, "table: missing, Table needs it"),
        (TWO + HEAD, "a gives mosaic"),
        (NESTED + HEAD, "nest deeper than 32"),
    ],
)
def test_hostile_text(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "isp.toml"
    path.write_text(text)
    with pytest.raises(PipelineFileError, match=message) as raised:
        load(path, KNOWN)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_missing_and_binary_files(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path, Path("a\0b")):
        with pytest.raises(PipelineFileError, match="cannot be read"):
            load(path, KNOWN)
    (tmp_path / "isp.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PipelineFileError, match="not valid TOML"):
        load(tmp_path / "isp.toml", KNOWN)


def _state(blob: bytes, path: Path) -> None:
    text = path.read_text()
    old = tomllib.loads(text)["isptoolkit"]
    text = text.replace(old["weights_sha256"], hashlib.sha256(blob).hexdigest())
    path.write_text(text.replace(f"weights_bytes = {old['weights_bytes']}", f"weights_bytes = {len(blob)}"))
    path.with_suffix(".safetensors").write_bytes(blob)


def _blob(tensors: dict[str, Tensor]) -> bytes:
    import safetensors.torch

    return safetensors.torch.save(tensors)


def _unaligned(_: dict[str, Tensor]) -> bytes:
    head = json.dumps({"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()
    return struct.pack("<Q", len(head)) + head


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: b"no weights at all", "not valid safetensors"),
        (_unaligned, "not valid safetensors"),
        (lambda t: _blob({}), "no tensor 'stages.p.gain'"),
        (lambda t: _blob({**t, "more": torch.ones(1)}), "more: a tensor that no stage uses"),
        (lambda t: _blob({**t, "stages.p.gain": torch.ones(3, 3)}), "gain must have shape"),
        (
            lambda t: _blob({**t, "stages.p.gain": torch.ones((), dtype=torch.int64)}),
            "must be floating point, got torch.int64",
        ),
        (lambda t: _blob({k: v for k, v in t.items() if k != "stages.n.net.0.bias"}), r"stages\.n\.net\.0\.bias"),
        (lambda t: _blob({**t, "stages.n.net.0.bias": torch.ones(2)}), r"net\.0\.bias: Net needs \(1,\), got \(2,\)"),
        (lambda t: _blob({**t, "stages.n.net.0.bias": torch.ones(1, dtype=torch.int8)}), "needs torch.float32"),
    ],
)
def test_hostile_weights(tmp_path: Path, change: Callable[[dict[str, Tensor]], bytes], message: str) -> None:
    pipeline = Pipeline(p=Scale(nn.Parameter(torch.tensor(2.0))), n=Learned(Net(), MOSAIC, MOSAIC))
    path = tmp_path / "isp.toml"
    save(pipeline, path)
    _state(change(dump(pipeline)[1]), path)
    with pytest.raises(PipelineFileError, match=message):
        load(path, KNOWN)


def test_weights_must_match_the_toml(tmp_path: Path) -> None:
    path, weights = tmp_path / "isp.toml", tmp_path / "isp.safetensors"
    save(Scale(nn.Parameter(torch.tensor(2.0))), path)
    blob = weights.read_bytes()
    weights.write_bytes(blob[:-1] + bytes([blob[-1] ^ 1]))
    with pytest.raises(PipelineFileError, match="SHA-256 differs from the stated one"):
        load(path, KNOWN)
    weights.write_bytes(blob + b"\0")
    with pytest.raises(PipelineFileError, match="bytes, the TOML file states"):
        load(path, KNOWN)
    weights.unlink()
    with pytest.raises(PipelineFileError, match="copy both files together"):
        load(path, KNOWN)
    path.write_text(path.read_text().replace("weights_bytes = ", "weights_bytes = 99999999999"))
    with pytest.raises(PipelineFileError, match="the limits are 1 and"):
        load(path, KNOWN)


def test_with_values() -> None:
    pipeline = everything()
    changed = with_values(pipeline, {"parameter.gain": 4, "nested.back.stage.gain": 0.25, "none.note": "new"}, KNOWN)
    assert changed["parameter"].gain == 4
    assert changed["nested"].stages["back"].stage.gain == 0.25
    assert changed["none"].note == "new"
    assert torch.equal(changed["table"].table, pipeline["table"].table)
    assert pipeline["none"].note is None
    assert with_values(Scale(1.0), {"space": "srgb"}, KNOWN).takes == SRGB
    assert torch.equal(with_values(Scale(1.0), {"gain": torch.tensor(3.0)}, KNOWN).gain, torch.tensor(3.0))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("none.gian", 1, "stage none has no setting 'gian', only gain, space, note"),
        ("nothing.gain", 1, "there is no stage 'nothing', only parameter, none, table, nested, pair, same, frozen"),
        ("nested.back.gain", 1, r"stage nested\.back has no setting 'gain', only stage, stage\.\*"),
        ("stages", 1, "^Pipeline has no setting 'stages'"),
        ("", 1, "^Pipeline has no setting ''"),
        ("none.gain", "big", "^none.gain: must be a number or a list of numbers, got "),
        ("none.gain", False, "must be a number or a list of numbers, got "),
        ("none.note", 3, "must be a string, got 3"),
        ("none.space", "srgb", "parameter gives mosaic, but none takes srgb"),
    ],
)
def test_with_values_names_the_error(name: str, value: object, message: str) -> None:
    with pytest.raises(PipelineFileError, match=message):
        with_values(everything(), {name: value}, KNOWN)


def test_build_rejects_leftover_tensors() -> None:
    document, tensors = dump(Scale(nn.Parameter(torch.tensor(2.0))))
    with pytest.raises(PipelineFileError, match="no stage uses"):
        build(document, {**tensors, "left": torch.ones(1)}, KNOWN)
    document["gain"] = 1.0
    with pytest.raises(PipelineFileError, match="gain: a tensor that no stage uses"):
        build(document, tensors, KNOWN)
