"""Clips with the masks of all objects: which these are in every format, and that augmentation changes them too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formats.catalogue import FORMATS

from refsam_zoo.clips.augmentation import Augmentation, ClipAugmentation
from refsam_zoo.clips.clip_sampling import ConsecutiveSampling
from refsam_zoo.clips.clips import TrainingClips, collate
from refsam_zoo.clips.reading import group_by_video
from refsam_zoo.clips.samplers import Draw
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.types import Clip, Referral
from refsam_zoo.video.masks import read_objects
from refsam_zoo.video.readers import VideoOpener

SIZE = (64, 64)


def clip_of(shapes: list[Referral], all_objects: bool = True, augmentation: Augmentation | None = None) -> Clip:
    videos, sampling = group_by_video(shapes), ConsecutiveSampling()
    clips = TrainingClips(videos, VideoOpener("pyav"), "video", [2], 2, sampling, augmentation, 0, 1, all_objects)
    clip = clips[Draw(0, 0, 0)].clip
    assert clip is not None
    return clip


def test_pictures_of_ids_have_objects_that_no_sentence_is_about(shapes: list[Referral]) -> None:
    video = group_by_video(shapes)[0]
    everything = replace(video[0].masks, object_ids=None).read([0, 1], SIZE)  # type: ignore[type-var, union-attr]
    objects = read_objects(video[:1], [0, 1], SIZE)
    assert len(objects) > 1
    np.testing.assert_array_equal(objects.sum(0), everything)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_sentence_alone_is_about_is_an_object_once(name: str, shapes: list[Referral], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    FORMATS[name][1](tmp_path / "data", [one for one in shapes if one.video_id == shapes[0].video_id])
    found = [referral for parse in recognise(tmp_path / "data").splits.values() for referral in parse()]
    video = group_by_video([referral for referral in found if referral.masks is not None])[0]
    positions = [0, len(video[0].frames) - 1]
    single = next((one for one in video if len(one.object_ids) == 1), None)
    if single is None:  # sentences without numbers of objects, and no pictures that have them
        assert len(read_objects(video, positions, SIZE)) == 0
        return
    assert single.masks is not None
    mask = single.masks.read(positions, SIZE)
    objects = read_objects(video, positions, SIZE)
    assert [bool((other == mask).all()) for other in objects].count(True) == mask.any()
    assert objects.any((1, 2, 3)).all()


def test_objects_are_read_where_they_are_asked_for(shapes: list[Referral]) -> None:
    clip = clip_of(shapes)
    assert clip.masks is not None
    assert clip.objects is not None
    assert len(clip.masks) == len(clip.expressions) == 2
    assert clip.objects.shape[1:] == clip.frames.shape[:3]
    assert clip_of(shapes, all_objects=False).objects is None


def test_augmentation_changes_objects_as_it_does_masks(shapes: list[Referral]) -> None:
    plain, mirrored = clip_of(shapes), clip_of(shapes, augmentation=ClipAugmentation(flip=1.0, crop=0.0, colour=0.0))
    for ours, theirs in ((mirrored.masks, plain.masks), (mirrored.objects, plain.objects)):
        assert ours is not None
        assert theirs is not None
        np.testing.assert_array_equal(ours, theirs[..., ::-1])


def test_a_batch_has_the_objects_of_each_clip(shapes: list[Referral]) -> None:
    clip, other = clip_of(shapes), clip_of(shapes[::-1])
    batch = collate([clip, other])
    assert batch.objects is not None
    assert [len(objects) for objects in batch.objects] == [len(each.objects) for each in (clip, other)]  # type: ignore[arg-type]
    assert all(part.objects is None for part in batch.clips)
    assert collate([clip, replace(other, objects=None)]).objects is None
