from __future__ import annotations

import torch
from torch.nn import functional as F

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.trackers import TRACKERS


@torch.no_grad()
def test_a_frame_memory_compares_with_the_oldest_frame_it_keeps() -> None:
    torch.manual_seed(0)
    memory = TRACKERS.build("frame_memory", width=8, length=2)
    images, token = F.normalize(torch.randn(4, 2, 8, 3, 5), dim=2), None
    words = F.normalize(torch.randn(2, 3, 8), dim=-1)
    language = Language(words, words[:, 0], torch.ones(2, 3, dtype=torch.bool))
    for image in images[:3]:
        token = memory(torch.randn(2, 1, 8), token, image)
    assert token.shape == (2, 1 + 2 * 15, 8)
    assert memory.prompt(token).shape == (2, 1, 8)
    found = memory.dense(images[3], token, language)
    only_oldest = torch.cat([token[:, :1], images[1].flatten(2).transpose(1, 2), torch.zeros(2, 15, 8)], dim=1)
    torch.testing.assert_close(found, memory.dense(images[3], only_oldest, language))
    other = torch.cat([token[:, :1], images[0].flatten(2).transpose(1, 2), torch.zeros(2, 15, 8)], dim=1)
    assert not torch.allclose(found, memory.dense(images[3], other, language), atol=1e-3)


@torch.no_grad()
def test_a_frame_memory_begins_with_what_there_is() -> None:
    memory = TRACKERS.build("frame_memory", width=8, length=3)
    image = torch.randn(2, 8, 3, 4)
    first = memory(torch.randn(2, 1, 8), None, image)
    assert first.shape == (2, 1 + 12, 8)
    assert memory(torch.randn(2, 1, 8), first, image).shape == (2, 1 + 24, 8)
