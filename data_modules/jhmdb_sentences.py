"""JHMDB-Sentences: videos of single actors, for evaluation with weights trained on A2D-Sentences.

Download the renamed images, the puppet masks and the published list of samples (three frames of each video) to

    jhmdb_sentences/Rename_Images/<action>/<video>/<frame>.png
    jhmdb_sentences/puppet_mask/<action>/<video>/puppet_mask.mat
    jhmdb_sentences/jhmdb_sentences_samples_metadata.json

Frames are numbered from 1. Use the published list: the three frames were drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from refsam_zoo.annotations.files import Entry, Expressions, read_json, separately
from refsam_zoo.annotations.matlab import read_matlab_array
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.file_names import find_files
from refsam_zoo.types import Referral, VideoSource

SAMPLES = "jhmdb_sentences_samples_metadata.json"
ONLY_EXPRESSION = "0"
"""Every video has one sentence."""


class JHMDBSentences(ReferringDataModule):
    """JHMDB-Sentences, for validation, test and prediction; options as in `ReferringDataModule`."""

    title = "JHMDB-Sentences"
    page = "jhmdb_sentences.md"
    card = DataCard(videos="928", sentences="928", train="-", evaluation="all", prediction="all")
    how_to_get = "download JHMDB (Rename_Images, puppet_mask) and jhmdb_sentences_samples_metadata.json"
    protocols = ("jhmdb_sentences",)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        return {"test": partial(parse_jhmdb_sentences, root)} if (root / SAMPLES).is_file() else {}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the samples.

        Raises:
            InputError: A file is missing or wrong, or the role is `train`.
        """
        if role == "train":
            raise InputError(f"{self.root}: JHMDB-Sentences is for evaluation only; train on A2D-Sentences")
        return parse_jhmdb_sentences(self.root)


def parse_jhmdb_sentences(root: str | Path) -> list[Referral]:
    """Reads the samples `[video, path of frame, path of masks, number of frames, sentence]`, one referral per video.

    Raises:
        InputError: The list is missing or wrong, or a frame or mask file is missing.
    """
    root = Path(root)
    samples: dict[tuple[str, str, str], list[tuple[int, Entry]]] = {}
    for sample in read_json(root / SAMPLES).list():
        with separately():
            action, video_id, number, sentence = _parse_sample(sample)
            samples.setdefault((action, video_id, sentence), []).append((number, sample))
    found: list[Referral] = []
    expressions = Expressions()
    for (action, video_id, sentence), frames in samples.items():
        with separately():
            expressions.add(video_id, ONLY_EXPRESSION, frames[0][1])
            found.append(_referral(root, action, video_id, sentence, sorted(frames, key=lambda frame: frame[0])))
    return found


def _parse_sample(sample: Entry) -> tuple[str, str, int, str]:
    values = sample.list()
    if len(values) != 5:
        sample.fail("expected [video, path of frame, path of masks, number of frames, sentence]")
    # Only the last parts of the path count; what stands before them is a folder of whoever made the list.
    parts = PurePosixPath(values[1].string()).parts[-3:]
    if len(parts) != 3:
        values[1].fail("expected .../<action>/<video>/<frame>.png")
    action, video_id, picture = (Entry(part, sample.file, values[1].key).name() for part in parts)
    if video_id != values[0].name():
        values[1].fail(f"the frame is not one of {values[0].value}")
    frame = Entry(PurePosixPath(picture).stem, sample.file, values[1].key)
    return action, video_id, frame.integer(1), values[4].text()


def _referral(root: Path, action: str, video_id: str, sentence: str, samples: list[tuple[int, Entry]]) -> Referral:
    names = tuple(f"{number:05d}" for number, _ in samples)
    if len(set(names)) < len(names):
        samples[0][1].fail(f"a frame of {video_id} is listed twice")
    pictures = root / "Rename_Images" / action / video_id
    there = find_files(pictures) if pictures.is_dir() else {}
    for name, (_, sample) in zip(names, samples, strict=True):
        if name not in there:
            with separately():
                sample.fail(f"the frame is missing: {pictures / name}.png")
    masks = root / "puppet_mask" / action / video_id / "puppet_mask.mat"
    if not masks.is_file():
        samples[0][1].fail(f"the mask file is missing: {masks}")
    return Referral(
        video_id=video_id,
        expression_id=ONLY_EXPRESSION,
        expression=sentence,
        object_ids=(1,),
        frames=names,
        source=VideoSource(pictures),
        masks=PuppetMasks(masks, tuple(number - 1 for number, _ in samples)),
        tags={"action": action},
    )


@dataclass(frozen=True)
class PuppetMasks:
    """Masks in JHMDB's MATLAB files; a `MaskSource`.

    Attributes:
        file: File with `part_mask`, `[H, W, T]`, not 0 on the actor.
        indices: Place on its last axis of each frame of the referral.
    """

    file: Path
    indices: tuple[int, ...]

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Reads masks, see `MaskSource.read`."""
        stored = read_matlab_array(self.file, "part_mask")
        if stored.ndim != 3 or stored.shape[:2] != size:
            raise InputError(f"{self.file}: the masks are of shape {stored.shape}, the frames {size[0]}x{size[1]}")
        wanted = [self.indices[position] for position in positions]
        if max(wanted) >= stored.shape[2]:
            raise InputError(f"{self.file}: {stored.shape[2]} masks, but frame {max(wanted) + 1} is asked for")
        return np.moveaxis(stored[:, :, wanted], -1, 0) > 0
