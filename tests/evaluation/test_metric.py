from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from torch import Tensor

from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.evaluation.metric import RegionContourMetric, SampleScores
from refsam_zoo.evaluation.motion import centres, extent
from refsam_zoo.evaluation.results import sample_id

SAMPLES = 7  # which neither 2 nor 3 divides


def _sample(sample: int) -> tuple[Tensor, Tensor]:
    """Predictions and masks, bool `[T, H, W]`; videos differ in length."""
    random = np.random.default_rng(sample)
    return tuple(torch.from_numpy(random.random((3 + sample, 20, 30)) < 0.2) for _ in range(2))  # type: ignore[return-value]


def _metric(samples: list[int]) -> RegionContourMetric:
    metric = RegionContourMetric()
    for sample in samples:
        predictions, masks = _sample(sample)
        metric.update([sample], range(len(masks)), predictions[None], masks[None])
    return metric


def _values(scores: SampleScores) -> list[list[float]]:
    return [column.tolist() for column in (*scores[:-1], *scores.scored_frames)]


def _score_share(rank: int, shares: list[list[int]], folder: Path) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=len(shares))
    scores = _metric(shares[rank]).compute()
    torch.distributed.destroy_process_group()
    torch.save(_values(scores), folder / f"{rank}.pt")


def test_means_over_frames() -> None:
    predictions, masks = _sample(2)
    scores = _metric([2]).compute()
    counts = count_pixels(predictions.numpy(), masks.numpy())
    expected = [[2], [5], [region_similarity(counts).mean()], [contour_accuracy(counts).mean()]]
    assert _values(scores)[:4] == expected
    assert scores.extent.tolist() == [extent(centres(masks.numpy()))]
    assert scores.area.tolist() == [masks.sum(dim=(1, 2)).double().mean().item()]


def test_order_windows_and_repeats_do_not_matter() -> None:
    metric = _metric([4, 0, 2, 0])
    predictions, masks = _sample(1)
    for window in (slice(2, 4), slice(0, 2), slice(2, 4)):
        metric.update([1], range(4)[window], predictions[None, window], masks[None, window])
    assert _values(metric.compute()) == _values(_metric([0, 1, 2, 4]).compute())


def test_samples_of_a_batch_are_kept_apart() -> None:
    pairs = [_sample(sample) for sample in (0, 1)]
    predictions, masks = (torch.stack([pair[side][:3] for pair in pairs]) for side in range(2))
    metric = RegionContourMetric()
    metric.update([0, 1], range(3), predictions, masks)
    expected = _values(_metric([0]).compute())
    assert [column[:1] for column in _values(metric.compute())] == expected


def test_scores_are_laid_beside_what_they_should_have_been() -> None:
    predictions, masks = (torch.zeros(2, 3, 8, 8, dtype=torch.bool) for _ in range(2))
    predictions[0, :2, :4], masks[0, :2, :6] = True, True  # found with J 2 / 3, and in the last frame rightly not
    masks[1] = True  # never found
    given = torch.tensor([[0.25, 0.5, 0.125], [0.75, 0.0, 1.0]])
    metric = RegionContourMetric()
    metric.update([2, 1], range(3), predictions, masks, given)
    metric.update([3], range(3), predictions[:1], masks[:1])  # without scores
    scores, absent, truth = metric.compute().scored_frames
    assert scores.tolist() == [*given[1].tolist(), *given[0].tolist()]
    assert absent.tolist() == [True] * 3 + [False, False, True]
    assert truth.tolist() == [1, 1, 1, 2 / 3, 2 / 3, 0]


def test_reset_forgets() -> None:
    metric = _metric([1, 2])
    metric.reset()
    assert len(metric.compute().samples) == 0


@pytest.mark.parametrize(
    "shares",
    [
        [[0, 2, 4, 6], [1, 3, 5, 0]],
        [[0, 3, 6], [1, 4, 0], [2, 5, 1]],
        [[6, 5, 4, 3, 2, 1, 0], [], []],
    ],
    ids=["two, padded", "three, padded", "two of three idle"],
)
def test_processes_do_not_change_the_scores(shares: list[list[int]], tmp_path: Path) -> None:
    torch.multiprocessing.start_processes(_score_share, (shares, tmp_path), nprocs=len(shares), start_method="fork")
    expected = _values(_metric(list(range(SAMPLES))).compute())
    for rank in range(len(shares)):
        assert torch.load(tmp_path / f"{rank}.pt", weights_only=True) == expected


def _die_before_gathering(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    metric = _metric([rank])
    if rank == 1:
        os._exit(3)
    metric.compute()


def test_the_death_of_a_process_ends_the_others(tmp_path: Path) -> None:
    context = torch.multiprocessing.start_processes(
        _die_before_gathering, (tmp_path,), nprocs=2, join=False, start_method="fork"
    )
    survivor = context.processes[0]
    survivor.join(60)
    assert survivor.exitcode not in (0, None)


def test_ids_are_stable_and_fit_a_signed_word() -> None:
    assert sample_id("video", "0") == sample_id("video", "0") != sample_id("video", "1")
    assert sample_id("a", "bc") != sample_id("ab", "c")
    assert all(0 <= sample_id("video", str(number)) < 2**63 for number in range(1000))
