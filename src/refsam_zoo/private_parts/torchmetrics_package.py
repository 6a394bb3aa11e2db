"""What torchmetrics does not publish: in which of its modules the few names are that Lightning asks the package for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from refsam_zoo.partial_imports import without_init

_FOUND_IN = {"Metric": "utilities.checks", "MetricCollection": "collections", "__version__": "__about__"}
"""Its modules import each other in a circle, which has to be entered at `utilities`."""


@contextmanager
def without_functional_metrics() -> Iterator[None]:
    """Inside, Lightning is imported without the hundreds of metrics, and with them SciPy, torchvision and Transformers.

    They come as soon as one of them is asked for.
    """
    with without_init("torchmetrics", **_FOUND_IN) as package:
        if package is not None:
            package._logger = logging.getLogger("torchmetrics")
        yield
