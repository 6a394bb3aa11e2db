"""Candidates: every object of a frame with a mask of its own, found without a sentence and once for all of them.

Cells that look like the middle of an object (CenterNet, arXiv 1904.07850) become prompt tokens of the mask decoder,
which makes a mask of each in one pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.mask_decoders.base import MaskDecoder

FOUND = 0.3
"""Least probability of a cell being the middle of an object."""
SMALLEST = 0.001
"""Least share of the square that an object covers."""
SAME = 0.6
"""Intersection over union from which on two masks are of one object."""
NO_OBJECT = -1e4
"""Logit where nothing can be."""
_RARE = -3.0
"""The heat's bias at the start: most cells are no middle."""
_WINDOW = 6


class Candidates(NamedTuple):
    """K candidates in each of B frames, the most probable first.

    Attributes:
        heat: Logit of each cell being the middle of an object, float `[B, h, w]`.
        cells: Cell of each candidate, row by row, int64 `[B, K]`.
        logits: Its mask, float `[B, K, 4h, 4w]`.
        looks: What it looks like: C learned features, and the mean of its pixels' embeddings, float `[B, K, 2 C]`.
        boxes: x and y of the mask's centroid, its width and height, as shares of the square, float `[B, K, 4]`;
            without gradient.
        found: Whether it is an object, and none of those before it, bool `[B, K]`.
    """

    heat: Tensor
    cells: Tensor
    logits: Tensor
    looks: Tensor
    boxes: Tensor
    found: Tensor


class CandidateFinder(nn.Module):
    """Finds candidates.

    Args:
        width: Channels of the embedding.
        count: K.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.context = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.heat = nn.Conv2d(width, 1, 1)
        self.token = nn.Linear(width, width)
        # where each mask may be: a hill around its cell, whose slopes and width are told by the token
        self.window = nn.Linear(width, _WINDOW)
        self.look = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), nn.Linear(width, width))
        nn.init.zeros_(self.heat.weight)
        nn.init.constant_(self.heat.bias, _RARE)  # type: ignore[arg-type]

    def forward(self, frames: EncodedFrames, decoder: MaskDecoder, prompt_encoder: Any) -> Candidates:
        """Finds the candidates of frames.

        Args:
            frames: B frames.
            decoder: Makes a mask of each token.
            prompt_encoder: SAM's, for positions and the embedding of no mask.
        """
        pixels = frames.image * frames.image.shape[1] ** 0.5  # unit pixels are brought to variance one
        pixels = pixels + self.context(pixels)
        heat = self.heat(F.gelu(pixels))[:, 0]
        scores, cells = peaks(heat, self.count)
        flat = pixels.flatten(2).transpose(1, 2)
        middles = _rows(flat, cells)
        places = prompt_encoder.get_dense_pe().flatten(2).transpose(1, 2).expand(len(flat), -1, -1)
        dense = prompt_encoder.no_mask_embed.weight[:, :, None, None].expand_as(frames.embedding)
        logits, tokens = decoder.each(
            frames.embedding, frames.positions, dense, self.token(middles) + _rows(places, cells), frames.fine
        )
        logits = logits + hills(self.window(tokens), cells, heat.shape[-2:])
        shown = F.avg_pool2d(logits.detach().sigmoid(), 4).flatten(2)
        shown = shown / shown.sum(-1, keepdim=True).clamp(min=1e-3)
        inside, embedded = shown @ flat, shown @ frames.image.flatten(2).transpose(1, 2)
        # in half precision what moves slowly would stand still
        boxes, areas = centroids(logits.detach() > 0, torch.promote_types(logits.dtype, torch.float32))
        found = (scores.detach().sigmoid() > FOUND) & (areas > SMALLEST)
        found = without_copies(logits.detach() > 0, found)
        looks = torch.cat([self.look(torch.cat([middles, inside, tokens], -1)), embedded], -1)
        return Candidates(heat, cells, logits, looks, boxes, found)


def peaks(heat: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Picks the highest of the cells that none of the eight around them exceeds.

    Args:
        heat: Logits, float `[B, h, w]`.
        count: How many.

    Returns:
        Logits float `[B, count]`, `NO_OBJECT` where there are no more, and cells int64 `[B, count]`.
    """
    highest = F.max_pool2d(heat[:, None], 3, stride=1, padding=1)[:, 0]
    scores, cells = heat.masked_fill(highest > heat, NO_OBJECT).flatten(1).topk(min(count, heat[0].numel()))
    return F.pad(scores, (0, count - scores.shape[1]), value=NO_OBJECT), F.pad(cells, (0, count - cells.shape[1]))


def hills(slopes: Tensor, cells: Tensor, grid: tuple[int, int]) -> Tensor:
    """Makes a quadratic form around each cell, by which masks of objects that look alike keep apart.

    Args:
        slopes: Its coefficients, float `[B, K, 6]`.
        cells: int64 `[B, K]`.
        grid: Rows and columns of cells.

    Returns:
        float `[B, K, 4h, 4w]`.
    """
    rows, columns = grid
    y = 4 * (_middles(4 * rows, slopes) - (cells // columns + 0.5).to(slopes)[..., None] / rows)[..., None]
    x = 4 * (_middles(4 * columns, slopes) - (cells % columns + 0.5).to(slopes)[..., None] / columns)[..., None, :]
    up, right, tall, wide, turn, level = (part[..., None, None] for part in slopes.unbind(-1))
    falls = F.softplus(tall + 2) * y.square() + F.softplus(wide + 2) * x.square()
    return up * y + right * x + turn * y * x - 2 * falls + level


def centroids(masks: Tensor, precise: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Gives boxes, see `Candidates`, and areas, as shares of the square, of masks bool `[..., H, W]`.

    Width and height are those of a rectangle with the mask's variance, so that single pixels do not matter.

    Args:
        masks: The masks.
        precise: Precision to compute in.
    """
    masks = masks.to(precise)
    area = masks.sum((-1, -2))
    parts = []
    for axis in (-2, -1):
        line = masks.sum(axis)
        places, count = _middles(line.shape[-1], line), area.clamp(min=1)
        mean = (line * places).sum(-1) / count
        variance = (line * places.square()).sum(-1) / count - mean.square()
        parts.append((mean, (12 * variance).clamp(min=0).sqrt()))
    (x, width), (y, height) = parts
    return torch.stack([x, y, width, height], -1), area / (masks.shape[-2] * masks.shape[-1])


def without_copies(masks: Tensor, found: Tensor) -> Tensor:
    """Takes out candidates whose mask is that of an earlier one.

    Args:
        masks: bool `[B, K, H, W]`.
        found: bool `[B, K]`.
    """
    flat = masks.flatten(2).float()
    common, areas = flat @ flat.transpose(1, 2), flat.sum(-1)
    alike = common > SAME * (areas[:, :, None] + areas[:, None] - common).clamp(min=1)
    kept = [found[:, 0]]
    for place in range(1, found.shape[1]):
        earlier = (alike[:, place, :place] & torch.stack(kept, 1)).any(1)
        kept.append(found[:, place] & ~earlier)
    return torch.stack(kept, 1)


def with_shown(frames: Candidates, logits: Tensor, image: Tensor) -> tuple[Candidates, Tensor]:
    """Adds what somebody shows in frames to their candidates, unless it is one of them.

    Args:
        frames: Candidates of N frames.
        logits: A mask in each, float `[N, 4h, 4w]`.
        image: The frames' embeddings, float `[N, C, h, w]`.

    Returns:
        The candidates, and which of them is shown, int64 `[N]`.
    """
    given, masks = (logits > 0)[:, None], frames.logits > 0
    overlap = (given & masks).sum((-1, -2)) / (given | masks).sum((-1, -2)).clamp(min=1)
    best, index = overlap.masked_fill(~frames.found, 0.0).max(1)
    new = (best <= SAME / 2) & given.flatten(1).any(1)
    inside = F.avg_pool2d(given.to(image), 4).flatten(2)
    embedded = (inside @ image.flatten(2).transpose(1, 2)) / inside.sum(-1, keepdim=True).clamp(min=1e-3)
    looks = F.pad(embedded, (frames.looks.shape[-1] - embedded.shape[-1], 0))
    boxes = centroids(given, frames.boxes.dtype)[0]
    shown = Candidates(
        frames.heat,
        F.pad(frames.cells, (0, 1)),
        torch.cat([frames.logits, logits[:, None]], 1),
        torch.cat([frames.looks, looks], 1),
        torch.cat([frames.boxes, boxes], 1),
        torch.cat([frames.found, new[:, None]], 1),
    )
    return shown, torch.where(new, frames.found.shape[1], index)


def _rows(table: Tensor, rows: Tensor) -> Tensor:
    """Picks rows int64 `[B, K]` of tables `[B, P, C]`."""
    return table.gather(1, rows[..., None].expand(-1, -1, table.shape[-1]))


def _middles(count: int, like: Tensor) -> Tensor:
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count
