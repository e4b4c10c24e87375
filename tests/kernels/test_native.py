"""The CPU library in use: a broken one, threads, forked workers, huge tensors. tests/packaging installs it."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from isptoolkit import LINEAR, MOSAIC, Capture, Fused, Pipeline, fuse, presets, stages
from isptoolkit.kernels import native, reference, usable

CAPTURE = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5))


def test_a_library_that_does_not_load_is_named_in_the_log(monkeypatch, tmp_path, caplog):
    (tmp_path / "_cpu.so").write_bytes(b"no library")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    native._loaded.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert native.library() is None
            assert native.library() is None
        assert [record.message.count("_cpu.so does not load") for record in caplog.records] == [1]
        assert not usable(torch.zeros(1))
    finally:
        native._loaded.cache_clear()


class Developed(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        torch.manual_seed(index)
        mosaic = torch.rand(1, 1, 120, 200) * 1023
        return fuse(presets.classic(), demosaic=True)(mosaic, CAPTURE)[0], torch.get_num_threads()


def test_forked_loader_workers(kernels):
    """The parent has used several OpenMP threads before it forks."""
    expected = [Developed()[i][0] for i in range(6)]
    loader = DataLoader(Developed(), batch_size=2, num_workers=2, multiprocessing_context="fork", timeout=60)
    loaded = list(loader)
    assert torch.equal(torch.cat([images for images, _ in loaded]), torch.stack(expected))
    assert all(int(count) == 1 for _, counts in loaded for count in counts)


def test_threads_follow_torch(kernels, monkeypatch):
    counts = []
    if native.library() is None:
        pytest.skip("needs the native kernels: install a C compiler, then reinstall isptoolkit")
    monkeypatch.setattr("isptoolkit.kernels.launch.call", lambda name, args: counts.append(args.threads))
    before = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            Fused(Pipeline(gain=stages.Gain(2.0)))(torch.zeros(1, 1, 500, 500), CAPTURE)
    finally:
        torch.set_num_threads(before)
    assert counts == [1, 2, 3]


def test_more_values_than_a_32_bit_index_holds(kernels):
    """2^31 codes through a point-wise stage; the input is one expanded row."""
    height, width = 2**15 + 9, 2**16
    row = torch.randint(0, 255, (width,), dtype=torch.uint8)
    fused = Fused(Pipeline(gain=stages.Gain(1 / 255), clip=stages.Clip(space=MOSAIC)))
    output = fused.render(row.expand(1, 1, height, width), CAPTURE, dtype=torch.uint8)
    assert output.numel() > 2**31
    assert torch.equal(output[0, 0, -1], row)
    assert torch.equal(output[0, 0, 2**15 - 3 : 2**15 + 3], row.expand(6, -1))


def test_a_huge_demosaic(kernels):
    """Three planes with more than 2^31 codes in total."""
    height, width = 2**14 + 6, 44_000
    cell = torch.randint(0, 255, (2, width), dtype=torch.uint8)
    x = cell.repeat(height // 2, 1)[None, None]
    chain = Fused(Pipeline(gain=stages.Gain(1 / 255), demosaic=stages.DemosaicBilinear()))
    output = chain.render(x, CAPTURE, dtype=torch.uint8)
    expected = chain.render(x[:, :, :64], CAPTURE, dtype=torch.uint8)
    assert output.numel() > 2**31
    assert torch.equal(output[:, :, -20:], expected[:, :, -20:])
    assert torch.equal(output[:, :, 2**13 : 2**13 + 8], expected[:, :, 16:24])


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc: run on Linux")
def test_memory_of_a_render_is_its_output(kernels, tmp_path):
    """The peak of additional memory is little more than the output."""
    code = """
import torch
from isptoolkit import Capture, fuse, presets
peak = lambda: int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
fused = fuse(presets.classic(), demosaic=True)["levels_to_quantize"]
capture = Capture.of("RGGB", black=64, white=1023)
fused.render(torch.zeros(1, 1, 64, 64, dtype=torch.uint16), capture)
x = torch.zeros(1, 1, 3000, 4000, dtype=torch.uint16)
before = peak()
output = fused.render(x, capture)
print((peak() - before) * 1024 - output.nbytes)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 64 << 20


def test_reference_turns_kernels_off(kernels):
    x = torch.rand(1, 3, 40, 50)
    chain = Fused(Pipeline(matrix=stages.ColorMatrix(), clip=stages.Clip(space=LINEAR)))
    with reference():
        assert not usable(x)
        plain = chain(x, CAPTURE)
        assert torch.equal(plain, chain.stages(x, CAPTURE))
    assert usable(x)
