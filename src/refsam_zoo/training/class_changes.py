"""What becomes of the options of a data set, an encoder or a system when a later file or flag chooses another one."""

from __future__ import annotations

import pydoc
from contextlib import AbstractContextManager
from typing import Any

from lightning.pytorch import LightningDataModule

from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.model.text_encoders import TextEncoder
from refsam_zoo.private_parts.jsonargparse_parser import before_class_changes
from refsam_zoo.systems import VideoSegmenter

WHOLE = (LightningDataModule, ImageEncoder, TextEncoder, VideoSegmenter)
"""Their options say something about this data set or these weights, whatever another one calls by the same name."""


def options_stay_with_their_class() -> AbstractContextManager[None]:
    """Inside a `with` block, what takes another one's place, be it data set, encoder or system, has its own options.

    jsonargparse lets every option stay that the new class has too, including those that were never given and stand at
    the default of the old class.
    """
    return before_class_changes(_forget_options)


def _forget_options(previous: Any, _: Any) -> None:
    old = pydoc.locate(previous["class_path"])
    if isinstance(old, type) and issubclass(old, WHOLE):
        options = previous["init_args"]
        for name in list(options.keys(branches=True, nested=False)):
            options.pop(name)
