"""A tiny system with random weights for each entry of the registry, made of files as a user has them.

For a new system: a function that writes its files, and a line in `TINY`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from systems.tiny_detectors_and_trackers import tiny_grounding_dino, tiny_sam2_video
from systems.tiny_evf_sam import tiny_evf_sam
from systems.tiny_folders import tiny_clipseg, tiny_sam3
from systems.tiny_samwise import tiny_roberta_tokenizer, write_tiny_samwise

from refsam_zoo import create_model
from refsam_zoo.model.evf_sam import EvfSam2
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny
from refsam_zoo.systems.evf_sam import evf_sam


@dataclass
class Tiny:
    """How a tiny system is made.

    Attributes:
        write: Writes its files into a folder and gives the options of its constructor.
        nothing: Options with which it finds nothing anywhere.
        alone: Whether a sentence's masks are the same whatever else is asked about.
    """

    write: Callable[[Path], dict[str, Any]]
    nothing: dict[str, Any]
    alone: bool = True


def write_refsam(folder: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    model = create_model(image_encoder=vit_tiny(image_size=64), text_encoder=clip_tiny(layers=1), tuner="frozen")
    for parameter in model.tracker.parameters():
        parameter.data *= 4  # random track tokens are short; longer ones leave no doubt whether they are carried
    model.save_pretrained(folder / "refsam")
    return {"checkpoint": folder / "refsam", "threshold": middle_logit(model)}


@torch.no_grad()
def middle_logit(model: RefSAM) -> float:
    """A threshold between the logits of random weights, so that there are pixels of both kinds."""
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 40, 56), dtype=np.uint8))
    found = model.segment(model.encode_images(frames), model.encode_text(["the red square"]))
    return round(float(found.low_res_logits.median()), 6)


def write_grounded_sam2(folder: Path) -> dict[str, Any]:
    tiny_grounding_dino(folder / "detector")
    tiny_sam2_video(folder / "tracker")
    return {"detector": folder / "detector", "tracker": folder / "tracker", "every": 2}


def write_find_then_track(folder: Path) -> dict[str, Any]:
    """As a camera's frames have it: nothing is watched first, so that each frame's masks are there with it."""
    tiny_sam2_video(folder / "tracker")
    weights = tiny_evf_sam(folder / "finder")
    finder = partial(evf_sam, weights=weights)
    return {"finder": finder, "tracker": folder / "tracker", "looks": 1, "back": 0}


def write_sam3(folder: Path) -> dict[str, Any]:
    """Without the frames that confirm an object: it takes many of them until no more are kept (test_sam3.py)."""
    config = tiny_sam3(folder / "sam3") / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "recondition_every_nth_frame": 0}))
    return {"weights": folder / "sam3", "max_objects": 2}


def write_samwise(folder: Path) -> dict[str, Any]:
    """With windows of one frame, so that each frame's masks are there with it (test_samwise.py has longer ones)."""
    weights = write_tiny_samwise(folder / "samwise.pth")
    return {"weights": weights, "tokenizer": tiny_roberta_tokenizer(folder / "roberta"), "window": 1}


TINY = {
    "clipseg": Tiny(lambda folder: {"weights": tiny_clipseg(folder / "clipseg")}, {"threshold": 1.0}),
    "evf_sam": Tiny(lambda folder: {"weights": tiny_evf_sam(folder)}, {"threshold": 1e6}),
    "evf_sam2": Tiny(lambda folder: {"weights": tiny_evf_sam(folder, EvfSam2)}, {"threshold": 1e6}),
    "find_then_track": Tiny(write_find_then_track, {"min_score": 1.0}),
    "grounded_sam2": Tiny(write_grounded_sam2, {"box_threshold": 1.0}),
    "refsam": Tiny(write_refsam, {"threshold": 1e6}),
    "samwise": Tiny(write_samwise, {"threshold": 1e6}),
    "sam3": Tiny(write_sam3, {"threshold": 1.0}),
}
"""Name in the registry -> how a tiny one is made."""
