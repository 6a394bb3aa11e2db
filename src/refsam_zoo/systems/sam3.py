"""SAM 3 (arXiv 2511.16719) over videos: every instance of what a phrase names, in memory that does not grow."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from refsam_zoo.number_types import PositiveInt, Probability
from refsam_zoo.registry import ModelCard
from refsam_zoo.systems.base import SYSTEMS, Found, VideoSegmenter
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.sam2_session import BoxTracker, FollowedObject, TrackedFrame
from refsam_zoo.systems.sentences import tokenized
from refsam_zoo.weights.hub_folders import HubFolder, load_model, read_processor

if TYPE_CHECKING:
    from transformers import Sam3TrackerVideoConfig, Sam3VideoInferenceSession, Sam3VideoModel

PUBLISHED = HubFolder(
    "facebook/sam3",
    "3c879f39826c281e95690f02c7821c4de09afae7",
    (
        "config.json", "model.safetensors", "processor_config.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
    ),
    "3.4 GB, access on request",
)  # fmt: skip


@dataclass
class PhraseTracks:
    """A video under way.

    Attributes:
        sessions: The package's state, one for each sentence, so that no sentence changes what another finds; None for a
            thing without a sentence.
        shown: What is followed in the place of what the phrase names: number of the sentence -> object.
        found: What was found in the last frame.
        frames: How many frames were seen.
    """

    sessions: list[Sam3VideoInferenceSession | None]
    shown: dict[int, FollowedObject] = field(default_factory=dict)
    found: Found | None = None
    frames: int = 0


@SYSTEMS.register(
    ModelCard(
        "SAM 3",
        f"{PUBLISHED.repository}, a local folder; access on request",
        "SAM License",
        "2511.16719",
        "6d06f0a5f84e435071fe6603e61d0b4cc7b40e0d39d487cfd4d67d8cc11cc14a",
        limits="reads phrases of 32 tokens: relations, order and motion are ignored; marks all things of a kind",
        parameters=859_921_848,
    )
)
class sam3(VideoSegmenter[PhraseTracks]):
    """Finds and follows every instance of what a phrase names; a sentence's mask is the union of them.

    It reads a sentence as the name of a kind of thing: relations ("left of"), order and motion are ignored. A frame is
    encoded once for all sentences. Without the optional and downloaded kernels of the package, holes are not filled.

    Args:
        weights: A folder in the hub's layout, as of `facebook/sam3`.
        download: Without a folder, take the files from the hub at a pinned revision; access must be asked for.
        threshold: Score above which the first things are found; those found later need 0.7 at least, as in the package.
            None takes the folder's, published as 0.5.
        max_objects: Instances followed for each sentence; those found later are left out. Bounds memory and time.

    Raises:
        InputError: No weights, or a folder of something else, incomplete or damaged.
    """

    model: Sam3VideoModel
    takes_corrections = True
    score_meaning = "the tracker's score of the surest instance that is followed"
    classes: ClassVar = {"sam3_video": "Sam3VideoModel"}

    def __init__(
        self,
        weights: str | Path | None = None,
        download: bool = False,
        threshold: Probability | None = None,
        max_objects: PositiveInt = 16,
    ) -> None:
        folder = PUBLISHED.locate(weights, download)
        super().__init__(load_model(folder, self.classes, "system sam3"))
        self.processor = read_processor(folder, "Sam3VideoProcessor")
        if threshold is not None:
            self.model.score_threshold_detection = threshold
            self.model.new_det_thresh = max(threshold, self.model.new_det_thresh)
        self.model.max_num_objects = min(max_objects, self.model.max_num_objects)
        self.tracker = _ShownTracker(self.model, self.processor)
        _restrain_package()

    @property
    def compiled_parts(self) -> Sequence[nn.Module]:
        """The image encoder; see `VideoSegmenter.compiled_parts`."""
        detector: Any = self.model.detector_model
        return [detector.vision_encoder]

    def start(self, expressions: Sequence[str]) -> PhraseTracks:
        """See `VideoSegmenter.start`; the text encoder runs with the first frame."""
        detector: Any = self.model.detector_model
        limit = detector.config.text_config.max_position_embeddings
        return PhraseTracks([self._session(expression, limit) for expression in expressions])

    def _session(self, expression: str, limit: int) -> Sam3VideoInferenceSession:
        session = self.processor.init_video_session(inference_device=self.device)
        session.processed_frames = _FrameUnderWay()
        tokens = tokenized(self.processor.tokenizer, [expression], limit, fill=True).to(self.device)
        prompt = session.add_prompt(expression)
        session.prompt_input_ids[prompt] = tokens.input_ids
        session.prompt_attention_masks[prompt] = tokens.attention_mask
        return session

    def start_object(self) -> PhraseTracks:
        """See `VideoSegmenter.start_object`."""
        return PhraseTracks([None])

    def segment(self, images: Tensor, track: PhraseTracks) -> Iterator[Found]:
        """See `VideoSegmenter.segment`."""
        tracker: Any = self.model.tracker_model
        for image in images.to(self.device):
            with self._encoded(image) as frame:
                found = [self._next(frame, track, row) for row in range(len(track.sessions))]
            for session in track.sessions:
                if session is not None:
                    drop_unread(session, tracker.config, track.frames)
            track.frames += 1
            track.found = Found(*(torch.stack(parts) for parts in zip(*found, strict=True)))
            yield track.found

    def correct(self, image: Tensor, track: PhraseTracks, row: int, correction: Correction) -> Found:
        """Follows what is shown from here on, one thing alone, and no longer all that the phrase names.

        See `VideoSegmenter.correct`.
        """
        assert track.found is not None
        with self._encoded(image[0].to(self.device)) as frame:
            if row in track.shown:
                self.tracker.correct(frame, track.shown[row], correction)
            else:
                shown = correction.within(track.found.masks[row].cpu().numpy())
                track.shown[row] = self.tracker.begin(frame, shown, torch.ones((), device=self.device))
        followed = track.shown[row]
        track.sessions[row] = None
        return Found(followed.mask[None], followed.presence[None])

    def _next(self, frame: TrackedFrame, track: PhraseTracks, row: int) -> Found:
        """Segments the next frame for one sentence or thing: mask bool `[H, W]` and score."""
        session, followed = track.sessions[row], track.shown.get(row)
        if followed is not None:
            self.tracker.follow(frame, followed)
            return Found(followed.mask, followed.presence)
        if session is None:
            return Found(torch.zeros_like(frame.image[0], dtype=torch.bool), torch.zeros((), device=self.device))
        return self._follow(session, frame.pixels, frame.size)

    @contextmanager
    def _encoded(self, image: Tensor) -> Iterator[TrackedFrame]:
        """Encodes a frame, uint8 `[3, H, W]`, once for all that is done with it inside a `with` block."""
        frame = TrackedFrame(self.tracker, image)
        frame.pixels = self.processor.image_processor([image], return_tensors="pt").pixel_values[0].to(self.device)
        with _encoded_once(self.model, frame.pixels[None]):
            yield frame

    def _follow(self, session: Sam3VideoInferenceSession, pixels: Tensor, size: Sequence[int]) -> Found:
        """Segments the next frame for one sentence: mask bool `[H, W]` and score."""
        outputs = self.model(inference_session=session, frame=pixels)
        instances = self.processor.postprocess_outputs(session, outputs, original_sizes=[list(size)])
        present = instances["object_ids"].tolist() or outputs.object_ids
        score = max((outputs.obj_id_to_tracker_score.get(number, 0.0) for number in present), default=0.0)
        return Found(instances["masks"].any(0), torch.tensor(score, device=self.device))


class _ShownTracker(BoxTracker):
    """SAM 3's tracker alone, which reads what its detector encodes.

    Args:
        model: All of SAM 3.
        processor: The package's.
    """

    def __init__(self, model: Sam3VideoModel, processor: Any) -> None:
        from transformers import Sam3TrackerVideoProcessor

        parts = processor.image_processor, processor.video_processor
        super().__init__(model.tracker_model, Sam3TrackerVideoProcessor(*parts))
        self._whole: Any = model

    def encode(self, pixels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """See `BoxTracker.encode`."""
        features = self._whole.detector_model.get_vision_features(pixel_values=pixels)
        maps, positions = self._whole.get_vision_features_for_tracker(vision_embeds=features)
        return maps, positions


class _FrameUnderWay(dict[int, Tensor]):
    """Holds one frame, but is as long as the video so far, by which the package's session counts."""

    seen = 0

    def __setitem__(self, number: int, frame: Tensor) -> None:
        self.clear()
        super().__setitem__(number, frame)
        self.seen = number + 1

    def __len__(self) -> int:
        return self.seen


def drop_unread(session: Sam3VideoInferenceSession, config: Sam3TrackerVideoConfig, done: int) -> None:
    """Drops what no later frame reads of a session of the package, which by itself keeps all of it.

    The tracker reads memories of the last `num_maskmem` - 1 frames and of the last `max_cond_frame_num` frames on which
    an object was found or confirmed, and object pointers of `max_object_pointers_in_encoder` - 1 frames. Of frames that
    confirmed an object, every 16th at most, the package reads the pointers for ever; here the last 16 are kept, so that
    masks are equal to the package's for 256 frames at least.

    Args:
        session: The state after a frame.
        config: The tracker's.
        done: The number of that frame, from 0.
    """
    memories = done + 2 - config.num_maskmem
    pointers = done + 2 - config.max_object_pointers_in_encoder
    for outputs in session.output_dict_per_obj.values():
        confirmed, others = outputs["cond_frame_outputs"], outputs["non_cond_frame_outputs"]
        for number in [number for number in others if number < pointers]:
            del others[number]
        for number in sorted(confirmed)[: -config.max_object_pointers_in_encoder]:
            del confirmed[number]
        closest = (
            sorted(confirmed) if config.max_cond_frame_num < 0 else sorted(confirmed)[-config.max_cond_frame_num :]
        )
        for number, output in [*confirmed.items(), *others.items()]:
            kept = ["object_pointer"]
            if number >= memories or number in closest:
                kept += ["maskmem_features", "maskmem_pos_enc"]
            for key in output.keys() - kept:
                del output[key]
        if done in confirmed:  # a part of what all objects share, and kept for longer than theirs
            confirmed[done].update({key: value.clone() for key, value in confirmed[done].items()})
    by_frame: tuple[Any, ...] = (
        *session.mask_inputs_per_obj.values(), *session.frames_tracked_per_obj.values(), session.suppressed_obj_ids,
        session.obj_id_to_tracker_score_frame_wise, session.unmatched_frame_inds, session.overlap_pair_to_frame_inds,
    )  # fmt: skip
    for record in by_frame:
        record.clear()


@contextmanager
def _encoded_once(model: Sam3VideoModel, pixels: Tensor) -> Iterator[None]:
    """Makes every session inside a `with` block read the same encoded frame."""
    detector: Any = model.detector_model
    features = detector.get_vision_features(pixel_values=pixels)
    shared = model.get_vision_features_for_tracker(vision_embeds=features)
    replaced: list[tuple[Any, str]] = [(detector, "get_vision_features"), (model, "get_vision_features_for_tracker")]
    for (owner, name), result in zip(replaced, (features, shared), strict=True):
        setattr(owner, name, lambda *, result=result, **_: result)
    try:
        yield
    finally:
        for owner, name in replaced:
            delattr(owner, name)


def _restrain_package() -> None:
    """Keeps the package from downloading code, where the package `kernels` is there, and from a line for each frame."""
    from transformers.models.sam3_video import modeling_sam3_video

    modeling: Any = modeling_sam3_video
    modeling.cv_utils_kernel = modeling.cv_utils_kernel or False
    modeling.logger.setLevel(logging.ERROR)
