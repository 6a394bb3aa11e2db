"""RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO: sentences about images, used as clips of one repeated frame.

Download the images of COCO train2014 and the annotations (lichengunc/refer, henghuiding/gRefCOCO) to

    coco/train2014/COCO_train2014_<number>.jpg
    coco/{refcoco,refcoco+}/{instances.json, refs(unc).p}
    coco/refcocog/{instances.json, refs(umd).p}
    coco/grefcoco/{instances.json, grefs(unc).json}

To imitate motion as the paper does in its first stage, train with `PseudoClipAugmentation`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from typing_extensions import Self

from refsam_zoo.annotations.files import Entry, Expressions, read_json, separately
from refsam_zoo.annotations.restricted_pickle import read_pickle
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.file_names import find_files
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.run_lengths import PolygonMasks, Polygons, RunLengths, Segmentation
from refsam_zoo.video.segmentations import parse_segmentation

FILES = {
    "refcoco": "refs(unc).p",
    "refcoco+": "refs(unc).p",
    "refcocog": "refs(umd).p",
    "grefcoco": "grefs(unc).json",
}

LARGEST_ID = 2**53


class RefCOCO(ReferringDataModule):
    """RefCOCO and its relatives.

    Args:
        dataset: Which one.
        **kwargs: See `ReferringDataModule`.
    """

    title = "RefCOCO, RefCOCO+, RefCOCOg, gRefCOCO"
    page = "refcoco.md"
    card = DataCard(videos="images of COCO", evaluation="val; testA and testB", prediction="testA")
    how_to_get = "download COCO train2014 and the annotations of the RefCOCO family into this folder"
    protocols = ("refcoco", "refcoco_cris", "grefcoco")

    def __init__(
        self,
        root: str | Path,
        dataset: Literal["refcoco", "refcoco+", "refcocog", "grefcoco"] = "refcoco",
        **kwargs: Any,
    ) -> None:
        root = Path(root)
        super().__init__(root, **kwargs)
        self.dataset = dataset

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`; the splits of every relative that is there."""
        root = Path(root)
        return {
            f"{dataset} {split}": partial(parse_refcoco, root, dataset, split)
            for dataset, file in FILES.items()
            if (root / dataset / file).is_file()
            for split in (("train", "val", "test") if dataset == "refcocog" else ("train", "val", "testA", "testB"))
        }

    @classmethod
    def of_folder(cls, root: str | Path) -> Self:
        """See `ReferringDataModule.of_folder`; the first of the relatives that is there."""
        root = Path(root)
        there: Any = next((dataset for dataset, file in FILES.items() if (root / dataset / file).is_file()), "refcoco")
        return cls(root, dataset=there, text_blind=False)

    @classmethod
    def protocol_of(cls, root: str | Path, split: str) -> str | None:
        """See `ReferringDataModule.protocol_of`; gRefCOCO has its own."""
        return "grefcoco" if split.startswith("grefcoco") else "refcoco"

    @property
    def protocol(self) -> str | None:
        """See `ReferringDataModule.protocol`."""
        return self.protocol_of(self.root, self.dataset)

    def hard_tests(self) -> Sequence[str]:
        """`testB`, which all but RefCOCOg have besides `testA`."""
        return () if self.dataset == "refcocog" else ("testB",)

    def referrals(self, role: str) -> list[Referral]:
        """Parses a split; `test` and `predict` give `testA`, or `test` of RefCOCOg."""
        if role in ("test", "predict"):
            role = "test" if self.dataset == "refcocog" else "testA"
        return parse_refcoco(self.root, self.dataset, role)


def parse_refcoco(root: str | Path, dataset: str, split: str) -> list[Referral]:
    """Reads the sentences of a split.

    Args:
        root: Folder with `train2014` and the folders of the data sets.
        dataset: A key of `FILES`.
        split: `train`, `val`, `testA`, `testB` or `test`.

    Raises:
        InputError: A file is missing or wrong, or an image is missing.
    """
    root = Path(root)
    file = root / dataset / FILES[dataset]
    instances = _Instances(root / dataset / "instances.json", root / "train2014")
    found: list[Referral] = []
    expressions = Expressions()
    for ref in (read_json(file) if file.suffix == ".json" else read_pickle(file)).list():
        with separately():
            if ref["split"].value == split:
                found += _parse_ref(ref, instances, expressions)
    return found


def _parse_ref(ref: Entry, instances: _Instances, expressions: Expressions) -> list[Referral]:
    name = instances.picture(ref["image_id"])
    annotations = ref["ann_id"].list() if isinstance(ref["ann_id"].value, list) else [ref["ann_id"]]
    # gRefCOCO writes the annotation -1 where no object is meant.
    targets = [annotation for annotation in annotations if annotation.value not in (None, -1)]
    masks = instances.masks(targets)
    return [
        Referral(
            video_id=name,
            expression_id=expressions.add(name, str(sentence["sent_id"].integer()), sentence),
            expression=sentence["sent"].text(),
            object_ids=tuple(target.integer(largest=LARGEST_ID) for target in targets),
            frames=(name,),
            source=VideoSource(instances.pictures),
            masks=masks,
        )
        for sentence in ref["sentences"].list()
    ]


class _Instances:
    """Images and objects of an `instances.json`."""

    def __init__(self, file: Path, pictures: Path) -> None:
        self.pictures = pictures
        content = read_json(file)
        self._file = file
        self._images = _by_id(content["images"])
        self._objects = _by_id(content["annotations"])
        self._there = find_files(pictures) if pictures.is_dir() else {}

    def picture(self, image_id: Entry) -> str:
        """The name of an image without its suffix."""
        image = self._images.get(image_id.integer(largest=LARGEST_ID))
        if image is None:
            image_id.fail(f"there is no image {image_id.value} in {self._file}")
        file_name = image["file_name"].name()
        name = os.path.splitext(file_name)[0]
        if name not in self._there:
            image_id.fail(f"the image is missing: {self.pictures / file_name}")
        return name

    def masks(self, targets: Sequence[Entry]) -> PolygonMasks:
        """The union of objects."""
        found = [self._segmentation(target) for target in targets]
        polygons = [polygon for item in found if isinstance(item, Polygons) for polygon in item.polygons]
        crowds = [item for item in found if isinstance(item, RunLengths)]
        return PolygonMasks(self._file, tuple(polygons), tuple(crowds))

    def _segmentation(self, target: Entry) -> Segmentation:
        annotation = self._objects.get(target.integer(largest=LARGEST_ID))
        if annotation is None:
            target.fail(f"there is no annotation {target.value} in {self._file}")
        segmentation = annotation["segmentation"]
        if not isinstance(segmentation.value, dict) and not segmentation.list():
            segmentation.fail("there is no polygon")
        return parse_segmentation(segmentation)


def _by_id(entries: Entry) -> dict[int, Entry]:
    found: dict[int, Entry] = {}
    for entry in entries.list():
        with separately():
            number = entry["id"].integer(largest=LARGEST_ID)
            if found.setdefault(number, entry) is not entry:
                entry.fail(f"the id {number} is there already: {found[number].key}")
    return found
