"""What becomes of the options of a data set or an encoder when a later file or flag chooses another one."""

from __future__ import annotations

import pydoc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse import _typehints
from lightning.pytorch import LightningDataModule

from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.model.text_encoders import TextEncoder

WHOLE = (LightningDataModule, ImageEncoder, TextEncoder)
"""Their options say something about this data set or these weights, whatever another one calls by the same name."""


@contextmanager
def options_stay_with_their_class() -> Iterator[None]:
    """Inside, a data set or an encoder that takes the place of another one starts with its own options.

    jsonargparse lets every option stay that the new class has too, including those that were never given and stand at
    the default of the old class. There is no setting for it, so the function that discards the others is replaced as
    long as a command line is parsed.
    """
    discard_unknown = _typehints.discard_init_args_on_class_path_change

    def discard(parser_or_action: Any, previous: Any, chosen: Any) -> None:
        if previous and "init_args" in previous and previous["class_path"] != chosen["class_path"]:
            old = pydoc.locate(previous["class_path"])
            if isinstance(old, type) and issubclass(old, WHOLE):
                options = previous["init_args"]
                for name in list(options.keys(branches=True, nested=False)):
                    options.pop(name)
        discard_unknown(parser_or_action, previous, chosen)

    _typehints.discard_init_args_on_class_path_change = discard
    try:
        yield
    finally:
        _typehints.discard_init_args_on_class_path_change = discard_unknown
