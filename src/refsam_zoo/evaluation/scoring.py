"""Scores predictions of any system, kept in a folder, a zip or a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.evaluation.completeness import OnIncomplete
from refsam_zoo.evaluation.protocols import Evaluation, get_protocol
from refsam_zoo.types import Referral


def evaluate(
    predictions: Path | str,
    protocol: str,
    data: Path | str | Sequence[Referral],
    on_incomplete: OnIncomplete = "error",
    threads: int = 1,
) -> Evaluation:
    """Scores predictions by a protocol.

    Args:
        predictions: Folder or zip of PNG masks, or a JSON file of COCO results for the image protocols.
        protocol: Name, see `refsam_zoo.evaluation.protocols.PROTOCOLS`.
        data: Ground truth: the referrals of a data set where expressions are scored, the root of a DAVIS tree where
            label maps are, and either referrals or a COCO file where images are.
        on_incomplete: `error` refuses predictions that are not exactly what was asked for; `empty` scores missing
            masks as empty ones and ignores the rest, and says so in the result.
        threads: Videos scored at a time.

    Returns:
        Totals, one row per expression, object or image, and what was missing.

    Raises:
        InputError: The name is unknown, predictions are incomplete, or a file is missing or wrong.
    """
    truth = Path(data) if isinstance(data, str) else data
    return get_protocol(protocol).evaluate(Path(predictions), truth, on_incomplete, threads)
