from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.prompts import DENSE_PROMPTS
from refsam_zoo.types import ImageFeatures


@torch.no_grad()
@pytest.mark.parametrize(("name", "far"), [("gated_dense_attention", False), ("two_way_dense_attention", True)])
def test_only_two_way_fusion_lets_a_pixel_know_of_the_others(name: str, far: bool) -> None:
    torch.manual_seed(0)
    prompt = DENSE_PROMPTS.build(name, width=32)
    language = Language(
        F.normalize(torch.randn(1, 4, 32), dim=-1),
        F.normalize(torch.randn(1, 32), dim=-1),
        torch.ones(1, 4, dtype=torch.bool),
    )
    image = F.normalize(torch.randn(1, 32, 6, 6), dim=1)
    other = image.clone()
    other[..., 0, 0] = image[..., 0, 0].roll(1, dims=1)
    first, second = (prompt(part, prompt.maps(ImageFeatures(part, [])), language) for part in (image, other))
    differing = (first - second).abs().amax(dim=1)[0] > 1e-6
    assert differing[0, 0]
    assert bool(differing[1:, 1:].any()) == far
