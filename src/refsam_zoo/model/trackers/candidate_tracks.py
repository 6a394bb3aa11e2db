"""A tracker past the paper that follows every object of a video; the sentence then chooses among them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refsam_zoo.model.candidates import NO_OBJECT, CandidateFinder, Candidates, with_shown
from refsam_zoo.model.choosing import Chooser
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.mask_decoders.base import Decoded, MaskDecoder
from refsam_zoo.model.object_tracks import NOBODY, ObjectTracks, follow, no_tracks
from refsam_zoo.model.trackers.base import TRACKERS, Choice, Chosen, Tracker
from refsam_zoo.number_types import PositiveInt, Width
from refsam_zoo.registry import ModelCard

_OUTSIDE = -20.0
"""Logit of a pixel where no object that is meant was found."""
_SHOWN = 20.0
"""Logit of an object that somebody has shown."""
_ALIKE = 1.0
"""By how much the logit of an object that is meant too may be lower than that of the first."""


@TRACKERS.register(ModelCard("refsam-zoo"))
class candidate_tracks(Tracker):
    """Finds all objects of a frame, follows each, and lets the sentence choose by looks, motion and relations.

    A frame's objects are found once for all sentences: cells that look like the middle of one become prompt tokens of
    the mask decoder. They are matched to those of earlier frames, and what is known of each, where it was in the last
    frames and what it looks like, is compared with the sentence. Words therefore take no part in prompts:
    `sparse_prompt` and `dense_prompt` are not asked. It learns from the masks of all annotated objects
    (`--data.all_objects true`) by `training.object_loss`.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
        candidates: Most objects found in a frame.
        objects: Most objects followed; the place of the one unseen for longest goes to a new one.
        memory: Frames over which motion is told.
        learn_finding: Whether finding objects and their masks is trained, the mask decoder with it; where it has been,
            choosing alone takes less time.
    """

    shows_target = True
    chooses = True

    def __init__(
        self,
        width: Width | None = None,
        candidates: PositiveInt = 8,
        objects: PositiveInt = 10,
        memory: PositiveInt = 24,
        learn_finding: bool = True,
    ) -> None:
        super().__init__()
        self.learn_finding = learn_finding
        self.candidates, self.objects, self.memory = candidates, objects, memory
        self.take_width(width)

    def make_layers(self, width: int) -> None:
        """Makes what finds and what chooses; see `FollowsEmbedding.make_layers`."""
        self.finder = CandidateFinder(width, self.candidates)
        self.chooser = Chooser(width)

    def freeze_unused(self, mask_decoder: MaskDecoder) -> None:
        """See `Tracker.freeze_unused`."""
        if not self.learn_finding:
            self.finder.requires_grad_(False)
            self.finder.look.requires_grad_(True)
            mask_decoder.requires_grad_(False)

    def look(self, frames: EncodedFrames, decoder: MaskDecoder, prompt_encoder: Any) -> Candidates:
        """Finds all objects; see `Tracker.look`."""
        found: Candidates = self.finder(frames, decoder, prompt_encoder)
        return found

    def choose(self, frames: EncodedFrames, language: Language | None, track: ObjectTracks | None) -> Chosen:
        """Follows the objects and chooses; see `Tracker.choose`."""
        assert frames.seen is not None, "look comes first"
        followed, candidates = self._follow(frames.seen, track)
        if language is None:
            logits = followed.looks.new_full(candidates.shape, NO_OBJECT)
        else:
            logits = self.chooser(language, followed)
        return _chosen(frames.seen, followed, Choice(logits, candidates))

    def remember(self, decoded: Decoded, track: ObjectTracks | None, frames: EncodedFrames) -> ObjectTracks:
        """Follows the objects; one whose mask somebody gives is then the target. See `Tracker.remember`."""
        assert frames.seen is not None, "look comes first"
        if not decoded.certain:
            return self._follow(frames.seen, track)[0]
        shown, index = with_shown(frames.seen, decoded.low_res_logits, frames.image)
        tracks, candidates = self._follow(shown, track)
        places = candidates == index[:, None]
        return tracks._replace(pinned=torch.where(places.any(1), places.int().argmax(1), tracks.pinned))

    def _follow(self, frame: Candidates, track: ObjectTracks | None) -> tuple[ObjectTracks, Tensor]:
        tracks = no_tracks(len(frame.found), self.objects, frame) if track is None else track
        return follow(tracks, frame, self.memory)


def _chosen(frame: Candidates, tracks: ObjectTracks, choice: Choice) -> Chosen:
    """Puts together the masks of the objects that are meant, or of the one that was shown.

    That is the most probable one, if it is more so than nobody, and those hardly less probable: where a sentence is
    about several, they share its probability.
    """
    objects = torch.arange(choice.logits.shape[1], device=choice.logits.device)
    shown = tracks.pinned[:, None]
    logits = torch.where(
        shown == NOBODY, choice.logits, torch.where(objects == shown, _SHOWN, -_SHOWN).to(choice.logits)
    )
    best = logits.amax(1, keepdim=True)
    meant = (logits > 0) & (logits > best - _ALIKE) & (choice.candidates != NOBODY)
    index = choice.candidates.clamp(min=0)[..., None, None].expand(-1, -1, *frame.logits.shape[2:])
    masks = frame.logits.gather(1, index).masked_fill(~meant[..., None, None], _OUTSIDE)
    return Chosen(masks.amax(1), best[:, 0], tracks, choice)
