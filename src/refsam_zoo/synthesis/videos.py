"""Makes one video: draws scenes until one of them is worth asking about, then paints it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refsam_zoo.synthesis.expressions import Expression, choose_expressions
from refsam_zoo.synthesis.facts import measure
from refsam_zoo.synthesis.options import SPLITS, SynthesisOptions
from refsam_zoo.synthesis.rendering import make_sprites, render_labels, render_pictures
from refsam_zoo.synthesis.scenes import Look, draw_scene

_MOST_SCENES = 10_000


@dataclass(frozen=True)
class Video:
    """A finished video.

    Attributes:
        name: Unique in the data set.
        pictures: RGB, uint8 `[T, H, W, 3]`.
        labels: Object ids, 0 is background, uint8 `[T, H, W]`.
        looks: What the object with id k + 1 looks like.
        expressions: What is asked.
        jpeg_quality: How well the frames are to be stored.
    """

    name: str
    pictures: np.ndarray
    labels: np.ndarray
    looks: tuple[Look, ...]
    expressions: tuple[Expression, ...]
    jpeg_quality: int


def make_video(split: str, index: int, options: SynthesisOptions) -> Video:
    """Makes a video from nothing but its split, its number and the options.

    Raises:
        RuntimeError: No scene of 10,000 could be spoken of; the options leave no room.
        InputError: There are no photographs, or one cannot be read.
    """
    rng = np.random.default_rng(np.random.SeedSequence([options.seed, SPLITS.index(split), index]))
    for _ in range(_MOST_SCENES):
        scene = draw_scene(split, options, rng)
        sprites = make_sprites(scene)
        labels = render_labels(scene, sprites)
        facts = measure(scene, sprites, labels)
        if not all(thing.clear for thing in facts.objects):
            continue
        expressions = choose_expressions(split, facts, rng, options.train_expressions if split == "train" else 1)
        if expressions:
            break
    else:
        raise RuntimeError(f"no scene for video {index} of split {split} in {_MOST_SCENES} attempts with {options}")
    pictures = render_pictures(scene, sprites, float(rng.uniform(0, options.noise)), rng, options.photographs)
    quality = int(rng.integers(options.jpeg_quality_min, options.jpeg_quality_max + 1))
    looks = tuple(thing.look for thing in scene.objects)
    return Video(f"{split}_{index:05d}", pictures, labels, looks, tuple(expressions), quality)
