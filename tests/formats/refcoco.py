"""First frames of RefShapes in the formats of RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from refsam_zoo.data_modules.refcoco import FILES
from refsam_zoo.types import Referral
from refsam_zoo.video.masks import PaletteMasks


class RefCOCOWriter:
    def __init__(self, root: Path, dataset: str) -> None:
        self.root, self.dataset = root, dataset
        self.images: dict[str, dict[str, Any]] = {}
        self.annotations: list[dict[str, Any]] = []
        self.refs: list[dict[str, Any]] = []
        (root / "train2014").mkdir(exist_ok=True)
        (root / dataset).mkdir()

    def add(self, referral: Referral, split: str) -> None:
        name = f"COCO_train2014_{referral.video_id}.jpg"
        if referral.video_id not in self.images:
            self.images[referral.video_id] = {"id": len(self.images) + 581857, "file_name": name, "height": 64}
            shutil.copy(referral.source.path / f"{referral.frames[0]}.jpg", self.root / "train2014" / name)
        annotations = [self._annotate(referral, object_id) for object_id in referral.object_ids]
        number = len(self.refs)
        several: dict[str, Any] = {"ann_id": annotations or [-1], "no_target": not annotations}
        self.refs.append(
            {
                "ref_id": number,
                "image_id": self.images[referral.video_id]["id"],
                "file_name": name.replace(".jpg", f"_{number}.jpg"),
                "split": split,
                "category_id": 1,
                "sent_ids": [number],
                "sentences": [
                    {"sent_id": number, "sent": referral.expression, "raw": referral.expression, "tokens": []}
                ],
                **(several if self.dataset == "grefcoco" else {"ann_id": annotations[0]}),
            }
        )

    def _annotate(self, referral: Referral, object_id: int) -> int:
        assert isinstance(referral.masks, PaletteMasks)
        mask = PaletteMasks(referral.masks.folder, referral.frames, (object_id,)).read([0], (64, 64))[0]
        counts = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        number = len(self.annotations) + 1719310
        self.annotations.append(
            {"id": number, "segmentation": {"size": [64, 64], "counts": counts}, "iscrowd": 0, "area": 1.0}
        )
        return number

    def finish(self) -> None:
        content = {"images": list(self.images.values()), "annotations": self.annotations, "categories": []}
        (self.root / self.dataset / "instances.json").write_text(json.dumps(content))
        file = self.root / self.dataset / FILES[self.dataset]
        if file.suffix == ".json":
            file.write_text(json.dumps(self.refs))
        else:
            file.write_bytes(pickle.dumps(self.refs, protocol=2))


def write_refcoco(root: Path, shapes: Sequence[Referral], dataset: str = "refcoco") -> None:
    """Every split; the first annotation is a polygon of the whole image."""
    writer = RefCOCOWriter(root, dataset)
    meant = [referral for referral in shapes if dataset == "grefcoco" or len(referral.object_ids) == 1]
    for number, referral in enumerate(meant):
        writer.add(referral, ("train", "val", "testA", "testB")[number % 4])
    writer.annotations[0]["segmentation"] = [[0, 0, 64, 0, 64, 64, 0, 64]]
    writer.finish()


def write_grefcoco(root: Path, shapes: Sequence[Referral]) -> None:
    write_refcoco(root, shapes, "grefcoco")
