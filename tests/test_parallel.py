"""Parallel branches between a split and its join."""

import pytest
import torch

from isptoolkit import SRGB, ChannelSplit, Parallel, Pipeline, Space, stages
from isptoolkit.errors import InvalidArgument, SpaceMismatch

YCBCR = stages.YCbCr().gives


def luma_and_chroma() -> Parallel:
    split = ChannelSplit(YCBCR, (1, 2))
    luma, chroma = split.gives
    return Parallel(split, luma=stages.Smoothstep(space=luma), chroma=stages.Gain(0.5, space=chroma))


def test_each_branch_sees_only_its_part(capture):
    x = torch.rand(2, 3, 5, 4, dtype=torch.float64)
    y = luma_and_chroma()(x, capture)
    assert torch.allclose(y[:, :1], 3 * x[:, :1] ** 2 - 2 * x[:, :1] ** 3)
    assert torch.equal(y[:, 1:], x[:, 1:] / 2)


def test_nests_in_a_pipeline_and_inverts(capture):
    pipeline = Pipeline(ycbcr=stages.YCbCr(), parts=luma_and_chroma(), rgb=stages.YCbCr().inv)
    x = 0.3 + 0.3 * torch.rand(1, 3, 6, 6, dtype=torch.float64)
    assert (pipeline.inverse(pipeline(x, capture), capture) - x).abs().max() < 1e-10
    assert pipeline.gives == SRGB


def test_the_domain_is_the_intersection_of_the_branches(capture):
    x = torch.full((1, 3, 1, 2), 0.5)
    x[0, 0, 0, 1] = 1.5
    assert luma_and_chroma().in_domain(x, capture).flatten().tolist() == [True, False]


def test_the_contract_is_that_of_the_worst_branch():
    split = ChannelSplit(SRGB, (1, 2))
    first, rest = split.gives
    stage = Parallel(split, a=stages.Quantize(bits=4, space=first), b=stages.Gain(2.0, space=rest))
    assert stage.contract.round_trip == pytest.approx(0.5 / 15)
    assert not stage.contract.differentiable


def test_branches_that_do_not_fit_are_named():
    split = ChannelSplit(YCBCR, (1, 2))
    with pytest.raises(SpaceMismatch, match="branch luma must lead from"):
        Parallel(split, luma=stages.Gain(1.0, space=Space("other", 1)), chroma=stages.Gain(1.0, space=split.gives[1]))
    with pytest.raises(InvalidArgument, match="2 parts, 1 branches"):
        Parallel(split, luma=stages.Gain(1.0, space=split.gives[0]))
    with pytest.raises(InvalidArgument, match="add up to 3"):
        ChannelSplit(YCBCR, (1, 1))
