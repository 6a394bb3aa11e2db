"""Ref-DAVIS17: DAVIS 2017 with the sentences of two annotators, each from the first frame and from the whole video.

Download DAVIS-2017-Unsupervised-trainval-480p and davis_text_annotations to

    ref-davis/DAVIS/{JPEGImages,Annotations_unsupervised}/480p/<video>/<frame>.{jpg,png}
    ref-davis/DAVIS/ImageSets/2017/{train,val}.txt
    ref-davis/davis_text_annotations/Davis17_annot{1,2}.txt, Davis17_annot{1,2}_full_video.txt

or convert them with ReferFormer's tool to the layout of Ref-YouTube-VOS:

    ref-davis/{train,valid}/{JPEGImages,Annotations}/<video>/<frame>.{jpg,png}
    ref-davis/meta_expressions/{train,valid}/meta_expressions.json

Either is recognised and both give the same referrals: expression 4 k + a is what annotation a (the tag `annotator`)
says about the k-th object of the video, in the order in which the official evaluation expects them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from refsam_zoo.annotations.files import Entry, Expressions, read_lines, separately
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.data_modules.refer_youtube_vos import (
    LARGEST_OBJECT_ID,
    ReferYouTubeVOS,
    expressions_file,
    has_local_truth,
    parse_refer_youtube_vos,
)
from refsam_zoo.errors import InputError
from refsam_zoo.file_names import FRAMES, MASKS, find_files
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import PaletteMasks

TEXTS = (
    ("Davis17_annot1.txt", "utf-8"),
    ("Davis17_annot1_full_video.txt", "utf-8"),
    ("Davis17_annot2.txt", "latin-1"),
    ("Davis17_annot2_full_video.txt", "latin-1"),
)
"""Files of the four annotations with their encodings."""

MISSPELT = {"clasic-car": "classic-car", "dog-scale": "dogs-scale", "motor-bike": "motorbike"}
"""Names of videos that the text files spell in another way than the folders."""

_DOUBLE_QUOTES = '"\u201c\u201d\u201e\u201f\u00ab\u00bb\x84\x93\x94'
_SINGLE_QUOTES = ("''", "\u2018\u2019")
"""Straight, curly, low and angle marks, the curly and low ones also as Latin-1 misreads Windows' own encoding."""

_CONVERTED = {"train": "train", "val": "valid"}


class RefDAVIS17(ReferringDataModule):
    """Ref-DAVIS17; options as in `ReferringDataModule`. Its val split serves for validation, test and prediction."""

    title = "Ref-DAVIS17"
    page = "ref_davis17.md"
    card = DataCard(videos="90", sentences="1544", evaluation="val", prediction="val")
    how_to_get = "download DAVIS 2017 (unsupervised, 480p) and davis_text_annotations into this folder"
    protocols = ("ref_davis17", "ref_davis17_expressions")
    contains = (ReferYouTubeVOS,)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`; of the trees with `valid`, only that of DAVIS has label maps for it."""
        root = Path(root)
        splits: tuple[str, ...] = ("train", "val") if (root / "davis_text_annotations").is_dir() else ()
        if (root / "valid" / "Annotations").is_dir() and not has_local_truth(root):
            splits = tuple(split for split in ("train", "val") if expressions_file(root, _CONVERTED[split]).is_file())
        return {split: partial(parse_ref_davis, root, split) for split in splits}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the train or the val split."""
        return parse_ref_davis(self.root, "train" if role == "train" else "val")


def parse_ref_davis(root: str | Path, split: str) -> list[Referral]:
    """Reads a split of the converted or of the original data set.

    Args:
        root: Folder of the data set.
        split: `train` or `val`.

    Raises:
        InputError: A file is missing or wrong, or the annotations disagree about the objects of a video.
    """
    root = Path(root)
    if expressions_file(root, _CONVERTED[split]).is_file():
        return [_tag(referral) for referral in parse_refer_youtube_vos(root, _CONVERTED[split])]
    return _parse_original(root, split)


def _tag(referral: Referral) -> Referral:
    number = referral.expression_id
    return replace(referral, tags={"annotator": str(int(number) % len(TEXTS))}) if number.isdecimal() else referral


def _parse_original(root: Path, split: str) -> list[Referral]:
    davis = root / "DAVIS"
    texts = [_read_texts(root / "davis_text_annotations" / name, encoding) for name, encoding in TEXTS]
    found: list[Referral] = []
    expressions = Expressions()
    for line in read_lines(davis / "ImageSets" / "2017" / f"{split}.txt"):
        with separately():
            expressions.add(line.name(), "0", line)
            found += _parse_video(davis, line, [text.get(line.name(), []) for text in texts])
    return found


def _parse_video(davis: Path, line: Entry, texts: list[list[tuple[str, Entry]]]) -> list[Referral]:
    """Puts together what the annotations say about one video."""
    video_id = line.name()
    objects = [[object_id for object_id, _ in text] for text in texts]
    if not objects[0] or any(other != objects[0] for other in objects[1:]):
        line.fail(f"the text annotations name different objects or none of this video: {objects}")
    annotations = davis / "Annotations_unsupervised" / "480p" / video_id
    frames = _frames(davis / "JPEGImages" / "480p" / video_id, annotations, line)
    found = []
    for place, object_id in enumerate(objects[0]):
        number = Entry(object_id, line.file, line.key).integer(1, LARGEST_OBJECT_ID)
        for annotator, text in enumerate(texts):
            found.append(
                Referral(
                    video_id=video_id,
                    expression_id=str(len(TEXTS) * place + annotator),
                    expression=text[place][1].text(),
                    object_ids=(number,),
                    frames=frames,
                    source=VideoSource(davis / "JPEGImages" / "480p" / video_id),
                    masks=PaletteMasks(annotations, frames, (number,)),
                    tags={"annotator": str(annotator)},
                )
            )
    return found


def _read_texts(path: Path, encoding: str) -> dict[str, list[tuple[str, Entry]]]:
    """Reads lines `video object "sentence"`: video -> (object id, sentence), sorted by object id as text."""
    texts: dict[str, list[tuple[str, Entry]]] = {}
    for line in read_lines(path, encoding):
        with separately():
            words = line.text().split()
            if len(words) < 3:
                line.fail('expected: video object "sentence"')
            sentence = Entry(without_quotes(" ".join(words[2:])), line.file, line.key)
            texts.setdefault(MISSPELT.get(words[0], words[0]), []).append((words[1], sentence))
    # The converter that everybody uses sorts the ids as text, and expression ids follow from that order.
    return {video: sorted(said, key=lambda pair: pair[0]) for video, said in texts.items()}


def without_quotes(sentence: str) -> str:
    """Takes off the marks around a sentence, where there are any; marks inside belong to it."""
    first, last = sentence[:1], sentence[1:][-1:]
    if (first in _DOUBLE_QUOTES and last in _DOUBLE_QUOTES and last) or first + last in _SINGLE_QUOTES:
        return sentence[1:-1]
    # a mark that has lost the other
    return sentence.strip(_DOUBLE_QUOTES) if sum(map(sentence.count, _DOUBLE_QUOTES)) == 1 else sentence


def _frames(folder: Path, annotations: Path, line: Entry) -> tuple[str, ...]:
    """Names of the frames; each mask must have one."""
    frames, masks = _find(folder, FRAMES, line), _find(annotations, MASKS, line)
    for mask in masks:
        if mask not in frames:
            with separately():
                line.fail(f"frame {mask} is missing in {folder}")
    return tuple(frames)


def _find(folder: Path, suffixes: tuple[str, ...], line: Entry) -> Mapping[str, Path]:
    if not folder.is_dir():
        line.fail(f"one of its folders is missing: {folder}")
    found = find_files(folder, suffixes)
    if not found:
        raise InputError(f"{folder}: holds no {', '.join(suffixes)} files")
    return found
