"""UPI's highlight-preserving inverse gains and their exact inverse."""

import pytest
import torch

from isptoolkit import CAMERA, Capture
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages.highlight_white_balance import HighlightWhiteBalance
from isptoolkit.stages.white_balance import WhiteBalance

UPI = Capture.of("RGGB", gains=(2.0, 1.0, 1.7))
# Camera RGB before and after the "safe" inverse gains, at red 2.0, blue 1.7 and overall gain 1.25, computed in numpy
# from the formulas of Brooks et al. 2019, section 3.4.
GOLDEN = [
    ((0.148692, 0.239309, 0.369082), (0.059477, 0.191447, 0.173686)),
    ((0.027669, 0.027669, 0.027669), (0.011067, 0.022135, 0.013021)),
    ((0.874975, 0.874975, 0.874975), (0.349990, 0.699980, 0.411753)),
    ((0.822961, 0.567913, 0.235814), (0.329185, 0.454330, 0.110971)),
    ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    ((0.95, 0.95, 0.95), (0.5225, 0.8075, 0.572794)),
]


def pixel(values):
    return torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)


@pytest.mark.parametrize(("balanced", "raw"), GOLDEN)
def test_published_formula(balanced, raw):
    stage = HighlightWhiteBalance(brightness=1.25)
    # Both numbers are rounded to six decimals.
    assert (stage.inverse(pixel(balanced), UPI) - pixel(raw)).abs().max() <= 1.01e-6
    assert (stage(pixel(raw), UPI) - pixel(balanced)).abs().max() <= 4e-6


STAGES = [
    HighlightWhiteBalance(),
    HighlightWhiteBalance(brightness=1.25),
    HighlightWhiteBalance(brightness=0.8, inflection=0.5),
    HighlightWhiteBalance(gains=[0.7, 1.0, 3.0], brightness=2.0, inflection=0.0),
    HighlightWhiteBalance(gains=[8.0, 1.0, 8.0], inflection=0.99),
]


@pytest.mark.parametrize("stage", STAGES)
def test_both_trips_in_float64(stage):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, 40, 50, dtype=torch.float64, generator=generator) * 1.2
    x[..., 0, :3] = torch.tensor([0.0, 1.0, 0.9], dtype=torch.float64)
    assert (stage.inverse(stage(x, UPI), UPI) - x).abs().max() <= 1e-10
    assert (stage(stage.inverse(x, UPI), UPI) - x).abs().max() <= 1e-10


@pytest.mark.parametrize("stage", STAGES)
def test_both_trips_in_float32_within_the_contract(stage):
    x = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(1))
    bound = stage.contract.condition * torch.finfo(torch.float32).eps
    assert (stage.inverse(stage(x, UPI), UPI) - x).abs().max() <= bound
    assert (stage(stage.inverse(x, UPI), UPI) - x).abs().max() <= bound
    assert stage(x, UPI).dtype == torch.float32


def test_below_the_inflection_it_is_plain_white_balance():
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64) * 0.3
    plain = WhiteBalance(space=CAMERA)(x, UPI)
    assert torch.allclose(HighlightWhiteBalance()(x, UPI), plain, rtol=1e-14)


@pytest.mark.parametrize("gains", [(2.0, 1.0, 1.7), (1.0, 1.0, 1.0), (5.0, 1.1, 1.3)])
def test_white_stays_white(gains):
    white = torch.ones(1, 3, 2, 2, dtype=torch.float64)
    stage = HighlightWhiteBalance(gains=gains)
    assert torch.allclose(stage.inverse(white, UPI), white, atol=1e-12)
    assert torch.allclose(stage(white, UPI), white, atol=1e-12)


def test_domain():
    dark, mixed, bright = pixel((-0.1, 0.2, 0.1)), pixel((-0.1, 0.9, 0.9)), pixel((1.0, 1.0, 1.0))
    stage = HighlightWhiteBalance(brightness=1.25)
    x = torch.cat([dark, mixed, bright], -1)
    assert stage.in_domain(x, UPI).flatten().tolist() == [True, False, True]
    assert (stage.inverse(stage(dark, UPI), UPI) - dark).abs().max() <= 1e-15


def test_gradients_through_the_solution():
    gains = torch.nn.Parameter(torch.tensor([2.0, 1.0, 1.7], dtype=torch.float64))
    brightness = torch.nn.Parameter(torch.tensor(1.25, dtype=torch.float64))
    stage = HighlightWhiteBalance(gains=gains, brightness=brightness)
    x = torch.cat([pixel((0.3, 0.4, 0.2)), pixel((0.6, 0.8, 0.6)), pixel((0.9, 0.95, 0.99))], -1).requires_grad_()

    def run(x, gains, brightness):
        return torch.func.functional_call(stage, {"gains": gains, "brightness": brightness}, (x, UPI))

    assert torch.autograd.gradcheck(run, (x, gains, brightness), atol=1e-5)
    assert torch.autograd.gradcheck(lambda y: stage.inverse(y, UPI), (x.detach().requires_grad_(),))


def test_gradients_are_finite_at_zero_and_one():
    x = torch.stack([torch.zeros(3), torch.ones(3)], 1).view(1, 3, 1, 2).requires_grad_()
    HighlightWhiteBalance()(x, UPI).sum().backward()
    assert x.grad.isfinite().all()


def test_a_batch_is_a_loop():
    captures = [UPI, Capture.of("RGGB", gains=(1.2, 1.0, 2.4))]
    x = torch.rand(2, 3, 6, 6, dtype=torch.float64)
    stage = HighlightWhiteBalance(brightness=[1.0, 1.5])
    together = stage(x, Capture.collate(captures))
    for index, one in enumerate(captures):
        alone = HighlightWhiteBalance(brightness=[1.0, 1.5][index])(x[index : index + 1], one)
        assert torch.allclose(together[index : index + 1], alone, atol=1e-12)


@pytest.mark.parametrize(
    "arguments", [{"gains": [1.0, -1.0, 1.0]}, {"brightness": 0.0}, {"inflection": 1.0}, {"inflection": -0.1}]
)
def test_bad_arguments(arguments):
    with pytest.raises(InvalidArgument, match=next(iter(arguments))):
        HighlightWhiteBalance(**arguments)


def test_compiles(compiler):
    stage = HighlightWhiteBalance()
    x = torch.rand(1, 3, 4, 6, dtype=torch.float64)
    compiled = torch.compile(lambda x: stage.inverse(stage(x, UPI), UPI), fullgraph=True, backend="eager")
    assert torch.allclose(compiled(x), x, atol=1e-10)
