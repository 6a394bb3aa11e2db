"""SAMWISE's adapters (arXiv 2411.17646): between stages of frozen encoders, pictures see words and words pictures."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

HEADS = 8
_LONGEST_WAVE = 10000


class Projected(NamedTuple):
    """Frames of N windows on the adapter's channels.

    Attributes:
        plain: float `[N, T, H * W, A]`.
        moved: The same, with what the frames of a window tell each other added.
        size: H and W.
    """

    plain: Tensor
    moved: Tensor
    size: tuple[int, int]

    def select(self, index: Tensor) -> Projected:
        """Picks the window of each sentence, int64 `[M]`; a single one is not copied."""
        if len(self.plain) == len(index) == 1:
            return self
        return Projected(self.plain[index], self.moved[index], self.size)


class CrossModalTemporalAdapter(nn.Module):
    """Adds to a stage of Hiera what the words say, and to the words what the frames show.

    Names of submodules are those of the published files.

    Args:
        channels: C of the stage.
        words: W, the width of the text encoder.
        width: A, the adapter's own.
        patch: Side of the patches in cells within which cells attend to each other over the frames of a window (the
            paper's hierarchical selective attention); 0 for the adapter that was trained on single pictures, where
            frames tell each other nothing.
    """

    def __init__(self, channels: int, words: int, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj_vis_down = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.proj_vis_up = nn.Sequential(
            nn.ConvTranspose2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.proj_text_down = nn.Sequential(nn.Linear(words, width, bias=False))
        self.proj_text_up = nn.Sequential(nn.Linear(width, words, bias=False))
        self.ca_V2T = nn.ModuleDict({"multihead_attn": _attention(width)})
        self.ca_T2V = nn.ModuleDict({"multihead_attn": _attention(width)})
        if patch:
            self.hsa = nn.ModuleDict({"self_attn": _attention(width, dropout=0.1), "linear": nn.Linear(width, width)})
            self.spatial_pos_embed = nn.Parameter(torch.zeros(1, 1, 1, patch**2, width))
            nn.init.trunc_normal_(self.spatial_pos_embed, std=0.02)
            self.norm_pre_HSA = nn.LayerNorm(width)

    def project(self, frames: Tensor, steps: int) -> Projected:
        """Projects the frames of windows and lets those of each tell each other of themselves.

        Args:
            frames: float `[N * T, H, W, C]`; H and W are multiples of the patch.
            steps: T, frames of each window.
        """
        down = self.proj_vis_down(frames.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).unflatten(0, (-1, steps))
        moved = down + self._over_time(down) if self.patch else down
        return Projected(down.flatten(2, 3), moved.flatten(2, 3), (frames.shape[1], frames.shape[2]))

    def _over_time(self, frames: Tensor) -> Tensor:
        """Lets the cells of a patch attend to each other over a window: float `[N, T, H, W, A]` to the same."""
        count, steps, height, width, channels = frames.shape
        side = self.patch
        # [N, T, rows of patches, side, patches in a row, side, A] to [N * patches, T * side * side, A]
        split = frames.view(count, steps, height // side, side, width // side, side, channels)
        cells = split.permute(0, 2, 4, 1, 3, 5, 6).reshape(-1, steps, side**2, channels)
        cells = (cells + times(steps, channels, frames)[:, None] + self.spatial_pos_embed[0]).flatten(1, 2)
        cells = self.norm_pre_HSA(cells)
        told = self.hsa["linear"](self.hsa["self_attn"](cells, cells, cells, need_weights=False)[0])
        grid = told.view(count, height // side, width // side, steps, side, side, channels)
        return grid.permute(0, 3, 1, 4, 2, 5, 6).reshape(frames.shape)

    def forward(self, frames: Projected, words: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Says what is to be added for N sentences.

        Args:
            frames: The window of each sentence, as `project` gives it.
            words: The sentences, float `[N, L, W]`.
            padding: bool `[N, L]`, True on padding; None where there is none.

        Returns:
            For the frames, float `[N * T, H, W, C]`, and for the words, float `[N, L, W]`.
        """
        said, steps = self.proj_text_down(words), frames.moved.shape[1]
        moved = frames.moved.flatten(0, 1)
        heard = said if len(moved) == len(said) else said.repeat_interleave(steps, 0)
        unheard = None if padding is None else padding.repeat_interleave(steps, 0)
        seen = moved * self.ca_V2T["multihead_attn"](moved, heard, heard, unheard, need_weights=False)[0]
        # words see the mean of the window as it was before frames told each other of themselves
        mean = frames.plain.mean(1)
        shown = said * self.ca_T2V["multihead_attn"](said, mean, mean, need_weights=False)[0]
        seen = seen.transpose(1, 2).unflatten(2, frames.size)
        return self.proj_vis_up(seen).permute(0, 2, 3, 1), self.proj_text_up(shown)


def times(steps: int, width: int, like: Tensor) -> Tensor:
    """Encodes places in a window of so many frames, as shares of its length: float `[steps, width]`.

    A frame has another encoding in a shorter window.
    """
    place = torch.arange(1, steps + 1, dtype=torch.float32, device=like.device)
    angles = place / (steps + 1e-6) * 2 * math.pi
    channels = torch.arange(0, width, 2, dtype=torch.float32, device=like.device)
    angles = angles[:, None] / _LONGEST_WAVE ** (channels / width)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).to(like.dtype)


def _attention(width: int, dropout: float = 0.0) -> nn.MultiheadAttention:
    return nn.MultiheadAttention(width, HEADS, dropout=dropout, batch_first=True)
