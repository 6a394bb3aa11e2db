from __future__ import annotations

import torch

from refsam_zoo.model.tracking import TRACKERS


@torch.no_grad()
def test_a_memory_keeps_the_last_frames_with_their_age() -> None:
    torch.manual_seed(0)
    memory = TRACKERS.build("track_memory", width=8, length=3)
    memory.age.normal_()
    frames, tokens = torch.randn(5, 2, 1, 8), None
    for frame in frames:
        tokens = memory(frame, tokens)
    expected = [memory.layers(frames[number]) + (5 - number) * memory.age for number in (2, 3, 4)]
    torch.testing.assert_close(tokens, torch.cat(expected, dim=1))


@torch.no_grad()
def test_a_memory_begins_with_what_there_is() -> None:
    memory = TRACKERS.build("track_memory", width=8, length=3)
    first = memory(torch.randn(2, 1, 8), None)
    assert first.shape == (2, 1, 8)
    assert memory(torch.randn(2, 1, 8), first).shape == (2, 2, 8)
