from __future__ import annotations

from pathlib import Path

import pytest
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.positions import resize_positions
from refsam_zoo.model.image_encoders.sam import SamImageEncoder


class SmallVit(SamImageEncoder):
    width, depth, heads, global_blocks = 32, 2, 2, (0, 1)


def test_the_size_of_the_checkpoint_is_left_untouched() -> None:
    state = SmallVit(image_size=1024).vit.state_dict()
    resized = resize_positions(state, SmallVit(image_size=1024).vit.state_dict())
    assert all(resized[name] is tensor for name, tensor in state.items())


def test_smooth_positions_stay_the_same_function_of_place(tmp_path: Path) -> None:
    """Positions linear in place are halved in number and still say the same at the same place."""
    large = SmallVit(image_size=256)
    place = (torch.arange(16) + 0.5) / 16
    with torch.no_grad():
        large.vit.pos_embed.copy_((place[:, None] + 10 * place)[None, :, :, None].expand_as(large.vit.pos_embed))
        large.vit.blocks[0].attn.rel_pos_h.copy_(torch.linspace(-1, 1, 31)[:, None].expand(31, 16))
    torch.save(large.vit.state_dict(), tmp_path / "vit.pth")
    small = SmallVit(tmp_path / "vit.pth", image_size=128)
    place = (torch.arange(8) + 0.5) / 8
    expected = (place[:, None] + 10 * place)[None, :, :, None].expand_as(small.vit.pos_embed)
    inner = (slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(small.vit.pos_embed[inner], expected[inner], atol=1e-4, rtol=0)
    relative = small.vit.blocks[0].attn.rel_pos_h[:, 0]
    assert relative.shape == (15,)
    assert relative[7].abs() < 1e-6
    assert (relative.diff() > 0).all()
    assert small.vit.blocks[0].attn.qkv.weight.equal(large.vit.blocks[0].attn.qkv.weight)


def test_another_width_is_refused(tmp_path: Path) -> None:
    class Wider(SmallVit):
        width = 64

    torch.save(Wider(image_size=128).vit.state_dict(), tmp_path / "vit.pth")
    with pytest.raises(InputError, match=r"of another shape: pos_embed \[1, 8, 8, 64\] instead of \[1, 8, 8, 32\]"):
        SmallVit(tmp_path / "vit.pth", image_size=128)
