"""What refsam-zoo finds, as regions of Label Studio."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from labelling import Labelling

LENGTHS = (3, 4, 8, 16)
"""Bits of the lengths of runs that Label Studio's brush format may choose from."""


def brush_rle(mask: np.ndarray) -> list[int]:
    """Encodes a mask as the brush of an image.

    The format is a string of bits: the count of values (32 bits), bits of a value less 1 (5), bits of each kind of
    length less 1 (4 times 4), then runs: 1, the kind of length (2), the length less 1, and the value. Pixels have four
    values, red, green, blue and alpha, of which the tool reads alpha.

    Args:
        mask: bool `[H, W]`.

    Returns:
        Bytes.
    """
    values = mask.ravel()
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]) + 1, len(values))
    runs = zip(4 * np.diff(ends, prepend=0), 255 * values[ends - 1].astype(int), strict=True)
    bits = [f"{4 * len(values):032b}{8 - 1:05b}", *(f"{length - 1:04b}" for length in LENGTHS)]
    bits += [_run(length, value) for count, value in runs for length in _parts(int(count))]
    text = "".join(bits)
    text += "0" * (8 - len(text) % 8)
    return [int(text[start : start + 8], 2) for start in range(0, len(text), 8)]


def _parts(count: int) -> list[int]:
    longest = 2 ** LENGTHS[-1]
    return [longest] * ((count - 1) // longest) + [(count - 1) % longest + 1]


def _run(length: int, value: int) -> str:
    kind = next(kind for kind, bits in enumerate(LENGTHS) if length <= 2**bits)
    return f"1{kind:02b}{length - 1:0{LENGTHS[kind]}b}{value:08b}"


def brush_region(labelling: Labelling, sentence: str, mask: np.ndarray, score: float) -> dict[str, Any]:
    """Makes a region of a mask, bool `[H, W]`."""
    height, width = mask.shape
    value = {"format": "rle", "rle": brush_rle(mask), "brushlabels": labelling.label(sentence)}
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    return _region(labelling, "brushlabels", sentence, score) | size | {"value": value}


def video_region(
    labelling: Labelling, sentence: str, tracks: Mapping[str, Any], number: int, rate: float
) -> dict[str, Any] | None:
    """Makes a region of the boxes of a sentence.

    The tool draws a box from its key frame on, towards the next one; the last before the target goes is not `enabled`.

    Args:
        labelling: The project's.
        sentence: What was asked.
        tracks: What `segment` writes as `tracks.json`.
        number: The sentence's, from 1 on.
        rate: Frames per second by which the tool numbers frames.

    Returns:
        None where the target is nowhere.
    """
    height, width = tracks["height"], tracks["width"]
    sequence: list[dict[str, Any]] = []
    scores = []
    for entry in tracks["frames"]:
        found = entry["objects"][number - 1]
        frame = round(entry["time"] * rate) + 1
        if sequence and sequence[-1]["frame"] == frame:
            continue
        if not found["present"]:
            if sequence:
                sequence[-1]["enabled"] = False
            continue
        scores.append(found["score"])
        left, top, wide, high = found["box"]
        box = {"x": left / width, "y": top / height, "width": wide / width, "height": high / height}
        box = {name: round(100 * part, 4) for name, part in box.items()}
        time = round((frame - 1) / rate, 6)
        sequence.append({"frame": frame, "enabled": True, "rotation": 0, **box, "time": time})
    if not sequence:
        return None
    last = round(tracks["frames"][-1]["time"] * rate) + 1
    value = {"framesCount": last, "duration": last / rate, "sequence": sequence, "labels": labelling.label(sentence)}
    return _region(labelling, "videorectangle", sentence, float(np.mean(scores))) | {"value": value}


def prediction(regions: Sequence[dict[str, Any]], model_version: str) -> dict[str, Any]:
    """Puts the regions of a task together; the score is the lowest of them, so that doubtful tasks come first."""
    score = min((region["score"] for region in regions), default=0.0)
    return {"result": list(regions), "score": score, "model_version": model_version}


def _region(labelling: Labelling, kind: str, sentence: str, score: float) -> dict[str, Any]:
    names = {"from_name": labelling.region, "to_name": labelling.shown}
    rest = {"origin": "prediction", "score": round(score, 4), "meta": {"text": [sentence]}}
    return {"id": uuid.uuid4().hex[:10], "type": kind, **names, **rest}
