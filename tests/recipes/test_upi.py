"""UPI against the numbers of its paper and program, and the two directions against each other."""

import pytest
import torch

from isptoolkit import Capture, errors, read_image
from isptoolkit.data import PhotoFolder
from isptoolkit.metrics import psnr
from isptoolkit.priors import SIDD, UPI, NoiseLine, matrix_of, random_captures
from isptoolkit.recipes import upi
from isptoolkit.stages import pack
from isptoolkit.unprocess import published_camera, upi_camera

GAINS = tuple(1.25 * gain for gain in (2.0, 1.0, 1.7))
GOLDEN = {
    (0.25, 0.5, 0.75): (0.059477, 0.191447, 0.173686),
    (0.1, 0.1, 0.1): (0.011067, 0.022135, 0.013021),
    (0.99, 0.99, 0.99): (0.349990, 0.699980, 0.411753),
    (1.0, 0.9, 0.3): (0.329185, 0.454330, 0.110971),
    (1.0, 1.0, 1.0): (1.0, 1.0, 1.0),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def capture(**more):
    return Capture.of("RGGB", gains=GAINS, srgb_to_camera=matrix_of(torch.ones(1, 4))[0].tolist(), **more)


def test_the_matrix_is_that_of_the_program():
    expected = [[0.646005, 0.271431, 0.082563], [0.082558, 0.755754, 0.161688], [0.014544, 0.225019, 0.760436]]
    torch.testing.assert_close(matrix_of(torch.ones(1, 4))[0], torch.tensor(expected).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("srgb", GOLDEN, ids=str)
def test_golden_values(srgb):
    picture = torch.tensor(srgb, dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    clean, _, noisy = upi.unprocess(picture, generator(), capture())
    assert torch.equal(clean, noisy)
    red, green, blue = GOLDEN[srgb]
    expected = torch.tensor([[red, green], [green, blue]], dtype=torch.float64)
    torch.testing.assert_close(clean[0, 0, :2, :2], expected, rtol=0, atol=1e-6)


def test_photographs_come_back(data):
    """Without mosaicing and 8-bit steps, where no color leaves the sensor's range; the published pair reaches 22 dB."""
    chain = upi_camera().span("balance", "tone")
    found = []
    for path in sorted((data / "kodak24").glob("*.png"))[::3]:
        picture = read_image(path).float()
        drawn = random_captures(1, generator(len(found)))
        raw = chain.inverse(picture, drawn).clamp(0, 1)
        found.append(psnr(chain(raw, drawn), picture))
    assert sum(found) / len(found) > 65


@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_smooth_pictures_come_back_through_the_mosaic(cfa):
    small = 0.2 + 0.5 * torch.rand(2, 3, 4, 6, generator=generator())
    picture = torch.nn.functional.interpolate(small, (64, 96), mode="bicubic")
    clean, drawn, _ = upi.unprocess(picture, generator(), cfa=cfa)
    assert drawn.cfa == cfa
    assert float(psnr(upi.process(clean, drawn), picture).min()) > 38


def test_levels_of_a_given_camera_are_followed():
    given = capture(black=64, white=1023, noise=(1e-3, 1e-6))
    clean, _, noisy = upi.unprocess(torch.rand(1, 3, 64, 64), generator(), given)
    assert 64 <= float(clean.min()) < float(clean.max()) <= 1023
    share = (clean - 64) / 959
    expected = float((1e-3 * share + 1e-6).mean().sqrt())
    assert float(((noisy - clean) / 959).std()) == pytest.approx(expected, rel=0.05)


def test_photographs_are_clipped_first():
    """A channel below 0 would take from the others through the matrix."""
    srgb = torch.tensor([-0.4, 0.5, 1.6]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    described = capture()
    clean = [upi.unprocess(x, generator(), described)[0] for x in (srgb, srgb.clamp(0, 1))]
    assert torch.equal(*clean)


def test_the_mosaic_is_clipped_and_nothing_before_it():
    """Where the matrix has negative entries and a gain is below 1, colors leave 0 ... 1 and only then are clipped."""
    matrix = torch.tensor([[[1.3, -0.4, 0.1], [-0.2, 1.4, -0.2], [0.0, -0.5, 1.5]]], dtype=torch.float64)
    given = Capture.of("RGGB", gains=(1.6, 1.0, 0.8)).replace(srgb_to_camera=matrix)
    picture = torch.rand(1, 3, 8, 8, generator=generator(), dtype=torch.float64)
    free = upi_camera().span("levels", "tone").inverse(picture, given)
    assert float(free.min()) < 0 and float(free.max()) > 1
    for made in (published_camera().inverse(picture, given), upi.unprocess(picture, generator(), given)[0]):
        torch.testing.assert_close(made, free.clamp(0, 1))


def test_it_is_seeded_batched_and_differentiable():
    picture = torch.rand(3, 3, 8, 8, requires_grad=True)
    a, b, c = (upi.unprocess(picture, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(a[2], b[2])
    assert not torch.equal(a[2], c[2])
    assert len(a[1]) == 3
    assert len(a[1].gains.unique(dim=0)) == 3
    (gradient,) = torch.autograd.grad(upi.process(a[2], a[1]).sum(), picture)
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().sum()) > 0


def test_random_captures_have_the_papers_distributions():
    drawn = random_captures(20_000, generator())
    brightness = drawn.gains[:, 1]
    assert float((1 / brightness).mean()) == pytest.approx(0.8, abs=0.005)
    assert float((1 / brightness).std()) == pytest.approx(0.1, abs=0.005)
    for channel, (low, high) in ((0, (1.9, 2.4)), (2, (1.5, 1.9))):
        ratio = drawn.gains[:, channel] / brightness
        assert low <= float(ratio.min()) < float(ratio.max()) <= high
        assert float(ratio.mean()) == pytest.approx((low + high) / 2, abs=0.005)
    shot, read = drawn.noise.log().unbind(1)
    assert float(shot.exp().min()) >= 1e-4
    assert float(shot.exp().max()) <= 0.012
    off = read - (2.18 * shot + 1.20)
    assert float(off.mean()) == pytest.approx(0, abs=0.01)
    assert float(off.std()) == pytest.approx(0.26, abs=0.01)


@pytest.mark.parametrize(
    ("line", "shot", "read"),
    [(UPI, 1e-4, 6.33e-9), (UPI, 1e-3, 9.58e-7), (UPI, 0.012, 2.16e-4), (NoiseLine(base=10.0), 1e-3, 4.57e-6)]
    + [(SIDD, 1e-3, 5.6e-6), (SIDD, 0.012, 5.6e-4)],
)
def test_the_lines_of_read_noise(line, shot, read):
    assert float(line.read_of(torch.tensor(shot, dtype=torch.float64))) == pytest.approx(read, rel=0.01)


def test_the_denoiser_has_the_published_size():
    assert sum(value.numel() for value in upi.Denoiser().parameters()) == 11_776_708


def test_the_scaled_denoiser_works_in_units_of_the_noise():
    torch.manual_seed(0)
    denoiser = upi.Denoiser((4, 8)).double()
    torch.nn.init.normal_(denoiser.net.last.weight)
    x = torch.rand(2, 4, 6, 8).double()
    noisy = Capture.collate([capture(noise=noise) for noise in ((1e-3, 1e-6), (1e-2, 1e-4))])
    made = denoiser(x, noisy)
    for sample, (shot, read) in enumerate(((1e-3, 1e-6), (1e-2, 1e-4))):
        one = x[sample : sample + 1]
        deviation = (shot * one + read).sqrt()
        unit = deviation.mean()
        expected = one + unit * denoiser.net(torch.cat((one / unit, deviation / unit), 1))
        torch.testing.assert_close(made[sample : sample + 1], expected)


@pytest.mark.parametrize("domain", ["srgb", "srgb-published", "raw"])
def test_the_denoiser_learns(domain, data):
    source = upi.Unprocessed(PhotoFolder(data / "kodak24"))
    torch.manual_seed(0)
    objective = upi.Objective(upi.Config(widths=(8, 16), domain=domain))
    batch = source.batch(0, 4, 64)
    assert torch.equal(objective.stage(pack(batch.sensor), batch.capture), pack(batch.sensor))
    optimizer = torch.optim.Adam(objective.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss, _ = objective(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[0]
    shapes = {image.shape for image in objective.preview(batch).values()}
    assert shapes == {(4, 3, 64, 64)}


def test_batches_are_functions_of_their_number(data):
    source = upi.Unprocessed(PhotoFolder(data / "kodak24"))
    a, b, c = (source.batch(number, 4, 32, seed=5) for number in (1, 1, 2))
    assert torch.equal(a.sensor, b.sensor)
    assert not torch.equal(a.sensor, c.sensor)
    half = source.batch(1, 4, 32, seed=5, rank=1, world=2)
    assert torch.equal(half.sensor, a.sensor[1::2])
    assert torch.equal(half.capture.noise, a.capture.noise[1::2])


def test_training_by_command(run, data, tmp_path):
    how = ["train", "upi", "--data", data / "kodak24", "-o", tmp_path / "run", "--set", "widths=[4,8]"]
    code, said, _ = run(*how, "--set", "steps=2", "--set", "patch=32", "--set", "batch=2", "--set", "preview_every=2")
    assert code == 0
    assert "2 steps on 24 files" in said
    assert (tmp_path / "run" / "previews" / "0000002.png").is_file()
    (tmp_path / "none").mkdir()
    assert "no photograph" in run("train", "upi", "--data", tmp_path / "none", "-o", tmp_path / "b")[2]


def test_wrong_configurations():
    with pytest.raises(errors.InvalidArgument, match="domain is srgb, srgb-published, raw, line upi, sidd, got 'lab'"):
        upi.Config(domain="lab")
    with pytest.raises(errors.MissingMetadata, match="does not state its noise"):
        upi.Denoiser((4, 8))(torch.rand(1, 4, 4, 4), capture())
