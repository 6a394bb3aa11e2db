"""Which of the objects that are followed does a sentence mean? By their looks, how they move, and where others are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.candidates import NO_OBJECT
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.object_tracks import ObjectTracks, at, unit

GEOMETRY, OFFSETS = 13, 4
"""Features of `geometry` and `offsets`."""
_WIDTH = 128
_MEANS = 4
_PLACES = 32
"""Words whose order counts; all further ones stand at the last place."""


class Chooser(nn.Module):
    """Scores each object by itself and beside each other one, both in the light of the sentence.

    Args:
        width: Channels of words and looks.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = _WIDTH // 2
        self.word = nn.Linear(width, half)
        self.places = nn.Parameter(torch.randn(_PLACES, half) * 0.02)
        self.mix = nn.ModuleList(nn.Conv1d(half, half, 3, padding=1) for _ in range(2))
        self.attention, self.sentence = nn.Linear(half, _MEANS), nn.Linear(_MEANS * half, _WIDTH)
        self.subject, self.other = (nn.Linear(2 * width + GEOMETRY, _WIDTH) for _ in range(2))
        self.offset = nn.Linear(OFFSETS, _WIDTH)
        self.likeness = nn.Parameter(torch.tensor(10.0))
        self.gates = nn.ModuleList(nn.Linear(_WIDTH, _WIDTH) for _ in range(2))
        self.scores = nn.ModuleList(
            nn.Sequential(nn.GELU(), nn.Linear(_WIDTH, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, 1)) for _ in range(2)
        )

    def read(self, language: Language) -> Tensor:
        """Encodes sentences by four weighted means of their words, float `[N, 128]`."""
        words = language.words * language.words.shape[-1] ** 0.5
        order = torch.arange(words.shape[1], device=words.device).clamp(max=_PLACES - 1)
        real = language.mask[..., None]
        tokens = mixed = (self.word(words) + self.places[order]) * real
        for layer in self.mix:
            # what stands at padding is no neighbour
            mixed = F.gelu(layer(mixed.transpose(1, 2)).transpose(1, 2)) * real
        tokens = tokens + mixed
        weights = self.attention(tokens).masked_fill(~real, NO_OBJECT).softmax(1)
        return self.sentence(torch.einsum("nld,nlk->nkd", tokens, weights).flatten(1))

    def forward(self, language: Language, tracks: ObjectTracks) -> Tensor:
        """Gives each object's logit of being meant, float `[N, S]`; `NO_OBJECT` where there is none.

        Args:
            language: N sentences.
            tracks: The objects of the video of each.
        """
        there, sentence = tracks.there, self.read(language)
        looks = tracks.looks / tracks.counts.clamp(min=1)[..., None].to(tracks.looks)
        facts = torch.cat([looks, geometry(tracks.boxes, tracks.seen).to(looks)], -1)
        alone = self.subject(facts)
        pairs = (
            alone[:, :, None] + self.other(facts)[:, None] + self.offset(offsets(tracks.boxes, tracks.seen).to(looks))
        )
        gates = [2 * gate(sentence).sigmoid() for gate in self.gates]
        own = self.scores[0](alone * gates[0][:, None] + sentence[:, None])[..., 0]
        # what `AlignmentLoss` teaches: pixels of an object are like the sentences about it
        pixels = unit(looks[..., -language.sentence.shape[-1] :])
        own = own + self.likeness * torch.einsum("nsc,nc->ns", pixels, language.sentence)
        beside = self.scores[1](pairs * gates[1][:, None, None] + sentence[:, None, None])[..., 0]
        others = there[:, None] & ~torch.eye(there.shape[1], dtype=torch.bool, device=there.device)
        company = beside.masked_fill(~others, NO_OBJECT).logsumexp(2)
        own = own + torch.where(others.any(2), company, 0.0)
        return own.masked_fill(~there, NO_OBJECT)


def geometry(boxes: Tensor, seen: Tensor) -> Tensor:
    """Describes how each object moves and where and how big it is.

    Args:
        boxes: As of `ObjectTracks`.
        seen: As of `ObjectTracks`.

    Returns:
        float `[N, S, 13]`, each about -3 to 3.
    """
    centres, shown, count = boxes[..., :2], seen[..., None], seen.shape[-1]
    steps = torch.arange(count, device=seen.device)
    last, first = (steps * seen).amax(-1), torch.where(seen, steps, count - 1).amin(-1)
    moved = at(centres, last) - at(centres, first)
    extent = centres.masked_fill(~shown, -1).amax(2) - centres.masked_fill(~shown, 2).amin(2)
    strides = centres.diff(dim=2) * (shown[:, :, 1:] & shown[:, :, :-1])
    length, span = strides.norm(dim=-1).sum(2, keepdim=True), (last - first)[..., None].to(boxes)
    mean = (centres * shown).sum(2) / shown.sum(2).clamp(min=1)
    pace = length / span.clamp(min=1)
    parts = (moved * 8, (moved * 40).tanh(), extent.clamp(0, 1) * 8, length * 5, pace * 60)
    return torch.cat([*parts, boxes[..., 2:].amax(2) * 6, mean * 2 - 1, span / count], dim=-1)


def offsets(boxes: Tensor, seen: Tensor) -> Tensor:
    """Says where each other object lies from each, over the frames that show both.

    Args:
        boxes: As of `ObjectTracks`.
        seen: As of `ObjectTracks`.

    Returns:
        float `[N, S, S, 4]`.
    """
    centres, both = boxes[..., :2], (seen[:, :, None] & seen[:, None])[..., None]
    mean = ((centres[:, None] - centres[:, :, None]) * both).sum(3) / both.sum(3).clamp(min=1)
    return torch.cat([mean * 5, (mean * 20).tanh()], dim=-1)
