"""Text files as YOLO is trained with for segmentation."""

from __future__ import annotations

from pathlib import Path

import yaml

from refsam_zoo.inference.outlines import trace
from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.output_files import output_path, write_whole
from refsam_zoo.registry import ModelCard


@OUTPUTS.register(ModelCard("YOLO-seg: a text file per frame, and data.yaml"))
class yolo(Output):
    """Writes `yolo/labels/<video>/<frame>.txt` and `yolo/data.yaml`; see `Output`.

    A sentence is a class, from 0 on. Each connected part of its mask is a line, as the format has one outline an
    object, and has no holes.
    """

    file = "yolo"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts, kept)
        names = {"names": dict(enumerate(facts.expressions)), "train": "images", "val": "images"}
        write_whole(self.path / "data.yaml", yaml.safe_dump(names, allow_unicode=True, sort_keys=False).encode())

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        height, width = self.facts.size
        lines = [
            " ".join([str(number), *(f"{x / width:.6f} {y / height:.6f}" for x, y in part[0])]) + "\n"
            for number, mask in enumerate(frame.found.masks)
            for part in trace(mask)
        ]
        path = output_path(self.path / "labels", self.facts.name, frame.name, suffix=".txt")
        write_whole(path, "".join(lines).encode())
