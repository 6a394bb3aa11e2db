"""Objects followed from frame to frame by where they are and what they look like; what is kept is bounded."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.model.candidates import Candidates

NOBODY = -1
"""In the place of a candidate or a track where there is none."""
_LEAST = 1e-4
"""Length that a look has at least; half precision knows no much smaller number."""
_GATE, _DISTANCE = 1.0, 4.0
"""Cost from which on a candidate is another object; what an image side costs beside the cosine of the looks."""
_LONGEST = 2
"""Frames for which an object that is hidden is thought to move on."""


class ObjectTracks(NamedTuple):
    """S objects that are followed for N sentences.

    Attributes:
        boxes: As of `Candidates`, in the last t frames, float `[N, S, t, 4]`.
        seen: Whether they were found there, bool `[N, S, t]`.
        looks: Sum of their looks since they were first seen, float `[N, S, 2 C]`.
        counts: Frames in that sum, float `[N, S]`.
        pinned: The object that somebody has shown, which then counts instead of the sentence; int64 `[N]`, `NOBODY`.
    """

    boxes: Tensor
    seen: Tensor
    looks: Tensor
    counts: Tensor
    pinned: Tensor

    @property
    def there(self) -> Tensor:
        """Which objects there are, bool `[N, S]`."""
        return self.seen.any(-1)


def no_tracks(sentences: int, objects: int, like: Candidates) -> ObjectTracks:
    """Gives tracks of a video of which nothing was seen."""
    boxes, looks = like.boxes, like.looks
    return ObjectTracks(
        boxes.new_zeros(sentences, objects, 0, 4),
        like.found.new_zeros(sentences, objects, 0),
        looks.new_zeros(sentences, objects, looks.shape[-1]),
        boxes.new_zeros(sentences, objects),
        like.cells.new_full((sentences,), NOBODY),
    )


def follow(tracks: ObjectTracks, frame: Candidates, length: int) -> tuple[ObjectTracks, Tensor]:
    """Takes tracks a frame further.

    Args:
        tracks: As far as they are known.
        frame: Candidates of the new frame of each sentence: N frames.
        length: Most frames kept.

    Returns:
        The tracks, and the candidate that each object is in the frame, int64 `[N, S]`, `NOBODY` where it is not seen.
    """
    known = matched(tracks, frame)
    candidates = placed(tracks, frame, known)
    seen = candidates != NOBODY
    # a place that was another object's, or nobody's
    fresh = seen & (known == NOBODY)
    index = candidates.clamp(min=0)[..., None]
    boxes = frame.boxes.gather(1, index.expand(-1, -1, 4)) * seen[..., None]
    looks = frame.looks.gather(1, index.expand(-1, -1, frame.looks.shape[-1])) * seen[..., None]
    history = tracks.seen & ~fresh[..., None]
    kept = (~fresh).to(looks)
    gone = fresh.gather(1, tracks.pinned.clamp(min=0)[:, None])[:, 0]
    return ObjectTracks(
        torch.cat([tracks.boxes, boxes[:, :, None]], 2)[:, :, -length:],
        torch.cat([history, seen[..., None]], 2)[:, :, -length:],
        tracks.looks * kept[..., None] + looks,
        tracks.counts * kept + seen,
        tracks.pinned.masked_fill(gone, NOBODY),
    ), candidates


def matched(tracks: ObjectTracks, frame: Candidates) -> Tensor:
    """Finds the known objects again, the surest first: int64 `[N, S]`, `NOBODY` where none of the candidates is it."""
    objects, count = tracks.there.shape[1], frame.found.shape[1]
    found = tracks.boxes.new_full((len(tracks.pinned), objects), NOBODY).long()
    if not tracks.boxes.shape[2]:
        return found
    far = _DISTANCE * torch.cdist(expected(tracks), frame.boxes[..., :2].to(tracks.boxes.dtype))
    looks = unit(tracks.looks.detach()) @ unit(frame.looks.detach()).transpose(1, 2)
    possible = tracks.there[..., None] & frame.found[:, None]
    cost = (far + 1 - looks).masked_fill(~possible, torch.inf).flatten(1)
    rows = torch.arange(count, device=cost.device)
    for _ in range(min(objects, count)):
        least, pair = cost.min(1)
        place, candidate = pair // count, pair % count
        sure = (least < _GATE)[:, None]
        mine = F.one_hot(place, objects).bool() & sure
        found = torch.where(mine, candidate[:, None], found)
        taken = mine[..., None] | ((rows == candidate[:, None]) & sure)[:, None]
        cost = cost.masked_fill(taken.flatten(1), torch.inf)
    return found


def placed(tracks: ObjectTracks, frame: Candidates, known: Tensor) -> Tensor:
    """Gives candidates that are no known object a place: a free one, or that of the object unseen for longest.

    Args:
        tracks: As of `matched`.
        frame: As of `matched`.
        known: What `matched` gave.
    """
    steps = torch.arange(1, tracks.seen.shape[2] + 1, device=known.device)
    latest = (tracks.seen * steps).amax(-1) if len(steps) else torch.zeros_like(known)
    latest = latest.masked_fill(known != NOBODY, len(steps) + 1)
    candidates = known
    for number in range(frame.found.shape[1]):
        new = frame.found[:, number] & ~(known == number).any(1) & (latest.amin(1) <= len(steps))
        place = F.one_hot(latest.argmin(1), latest.shape[1]).bool() & new[:, None]
        candidates = candidates.masked_fill(place, number)
        latest = latest.masked_fill(place, len(steps) + 1)
    return candidates


def expected(tracks: ObjectTracks) -> Tensor:
    """Says where objects should be in the next frame if they move on as before, float `[N, S, 2]`."""
    centres, seen = tracks.boxes[..., :2], tracks.seen
    steps = torch.arange(seen.shape[2], device=seen.device)
    last = torch.where(seen, steps, -1).amax(-1)
    before = torch.where(seen & (steps < last[..., None]), steps, -1).amax(-1)
    here, there = at(centres, last.clamp(min=0)), at(centres, before.clamp(min=0))
    pace = (here - there) / (last - before).clamp(min=1)[..., None] * (before >= 0)[..., None]
    return here + pace * (len(steps) - last).clamp(max=_LONGEST)[..., None]


def unit(looks: Tensor) -> Tensor:
    """Brings looks to length one; those of nobody stay zero."""
    return F.normalize(looks, dim=-1, eps=_LEAST)


def at(centres: Tensor, frame: Tensor) -> Tensor:
    """Picks x and y, float `[N, S, t, 2]`, of the frame int64 `[N, S]` of each object."""
    return centres.gather(2, frame[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
