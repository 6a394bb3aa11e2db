"""SAM 2 (arXiv 2408.00714) and EdgeTAM (arXiv 2501.07256) of transformers, streamed: what is shown is followed.

The package's session keeps every frame and every output of a video. Here all is dropped that the model cannot read any
more, and the masks stay the same: `num_maskmem` says how far it looks back for memories,
`max_object_pointers_in_encoder` how far for object pointers, and only the frame where an object was first shown is read
for ever. The frame last seen may be asked about again, so that what it read is kept, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refsam_zoo.systems.corrections import Correction
from refsam_zoo.weights.hub_folders import load_model, read_processor

if TYPE_CHECKING:
    from transformers import Sam2VideoInferenceSession

CLASSES = {"sam2_video": "Sam2VideoModel", "edgetam_video": "EdgeTamVideoModel"}
"""`model_type` of a folder's `config.json` -> class of transformers."""


class TrackedFrame:
    """A frame, encoded when the first object asks for it, and once for all objects.

    Args:
        tracker: Whose encoder it is.
        image: RGB, uint8 `[3, H, W]`, on the model's device.
    """

    def __init__(self, tracker: BoxTracker, image: Tensor) -> None:
        self._tracker = tracker
        self.image = image
        self.size = (image.shape[1], image.shape[2])

    @cached_property
    def pixels(self) -> Tensor:
        """The frame as the model wants it, float `[3, S, S]`."""
        prepared = self._tracker.processor.video_processor(
            videos=self.image[None], device=self.image.device, return_tensors="pt"
        )
        return prepared["pixel_values_videos"][0, 0]

    @cached_property
    def features(self) -> tuple[list[Tensor], list[Tensor]]:
        """Feature maps and their positions."""
        return self._tracker.encode(self.pixels[None])


@dataclass
class FollowedObject:
    """An object under way.

    Attributes:
        session: The package's, of this object alone; in its first frame it was shown.
        score: How sure the detector was of the box, float, no axes; 1 where somebody showed it.
        frames: Frames seen.
        mask: Where it is in the last frame, bool `[H, W]`; empty where the model sees it hidden or gone.
        presence: Probability that it is in the last frame, float, no axes.
    """

    session: Sam2VideoInferenceSession
    score: Tensor
    frames: int = 0
    mask: Tensor = field(default_factory=lambda: torch.empty(0))
    presence: Tensor = field(default_factory=lambda: torch.empty(()))

    @property
    def in_sight(self) -> bool:
        """Whether the model sees it in the last frame."""
        return bool(self.mask.any())


class BoxTracker:
    """Follows objects from their boxes or masks, each in a session of its own, in memory that does not grow.

    Objects of one session would not be independent: a box for one changes how the package encodes the memory of all.

    Args:
        model: The package's.
        processor: The package's, for videos.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor

    @classmethod
    def read(cls, folder: Path, system: str = "grounded_sam2") -> BoxTracker:
        """Reads SAM 2 or EdgeTAM.

        Args:
            folder: A model's folder in the hub's layout, `sam2_video` or `edgetam_video`.
            system: Whose tracker it is, for the message.

        Raises:
            InputError: See `hub_folders.load_model`.
        """
        model = load_model(folder, CLASSES, f"tracker of system {system}")
        return cls(model, read_processor(folder, "Sam2VideoProcessor"))

    def encode(self, pixels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Encodes a frame, float `[1, 3, S, S]`: feature maps and their positions."""
        encoded = self.model.get_image_features(pixels, return_dict=True)
        return encoded.fpn_hidden_states, encoded.fpn_position_encoding

    def begin(self, frame: TrackedFrame, shown: Correction, score: Tensor) -> FollowedObject:
        """Starts with an object.

        Args:
            frame: Where it is first seen.
            shown: Where it is in that frame.
            score: How sure the detector is of the box, float, no axes.
        """
        device = self.model.device
        session = self.processor.init_video_session(inference_device=device, dtype=self.model.dtype)
        followed = FollowedObject(session, score)
        self._show(frame, followed, shown)
        return followed

    def correct(self, frame: TrackedFrame, followed: FollowedObject, shown: Correction) -> None:
        """Finds an object once more in the frame last seen, as it is shown there; a mask is taken as it is."""
        followed.frames -= 1
        if followed.frames:  # what was tracked keeps its memory; the first frame is begun with anew
            followed.session.frames_tracked_per_obj[0][followed.frames] = {"reverse": False}
        self._show(frame, followed, shown)

    def _show(self, frame: TrackedFrame, followed: FollowedObject, shown: Correction) -> None:
        given: dict[str, Any] = {}
        if len(shown.points):
            given["input_points"], given["input_labels"] = (
                [[shown.points.tolist()]],
                [[shown.labels.astype(int).tolist()]],
            )
        if shown.box is not None:
            given["input_boxes"] = [[shown.box.tolist()]]
        if shown.mask is not None:
            given["input_masks"] = shown.mask
            followed.session.video_height, followed.session.video_width = frame.size
        self.processor.add_inputs_to_inference_session(
            followed.session, frame_idx=followed.frames, obj_ids=1, original_size=frame.size, **given
        )
        self.follow(frame, followed)
        if shown.mask is not None:
            followed.mask = torch.from_numpy(shown.mask).to(followed.mask.device)

    def follow(self, frame: TrackedFrame, followed: FollowedObject) -> None:
        """Finds an object in the next frame, all of `followed` is brought up to date."""
        session, index = followed.session, followed.frames
        maps, positions = frame.features
        session.cache.cache_vision_features(index, {"vision_feats": maps, "vision_pos_embeds": positions})
        found = self.model(session, frame=frame.pixels, frame_idx=index)
        followed.frames = index + 1
        self._forget(session, index)
        followed.mask = self.processor.post_process_masks([found.pred_masks], [frame.size])[0][0, 0]
        followed.presence = found.object_score_logits.float().sigmoid().squeeze()

    def _forget(self, session: Sam2VideoInferenceSession, index: int) -> None:
        """Drops what is not read after the frame of this index."""
        session.processed_frames = {}
        session.cache.clear_all()
        session.point_inputs_per_obj[0].clear()
        session.mask_inputs_per_obj[0].clear()
        session.frames_tracked_per_obj[0].clear()
        outputs = session.output_dict_per_obj[0]
        later = outputs["non_cond_frame_outputs"]
        for output in (*outputs["cond_frame_outputs"].values(), *later.values()):
            _drop(output, "pred_masks", "high_res_masks")
        config = self.model.config
        for old in [frame for frame in later if frame < index + 1 - config.num_maskmem]:
            _drop(later[old], "maskmem_features", "maskmem_pos_enc")
            if old < index + 1 - config.max_object_pointers_in_encoder:
                del later[old]


def _drop(output: dict[str, Any], *names: str) -> None:
    for name in names:
        output.pop(name, None)
