"""`refsam-zoo evaluate`: scores the masks of any system, or checks a submission."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import IncompleteError, OnIncomplete
from refsam_zoo.number_types import PositiveInt


def evaluate(
    predictions: str | Path,
    *,
    protocol: str,
    data: str | Path,
    split: str | None = None,
    on_incomplete: OnIncomplete = "error",
    check_only: bool = False,
    output: str | Path | None = None,
    threads: PositiveInt = 1,
) -> None:
    """Score a folder or zip of masks of any system.

    Args:
        predictions: Folder or zip of PNG masks; for images a JSON file of COCO results.
        protocol: `mevis`, `ref_youtube_vos`, `ref_davis17`, ...: whose rules to score by.
        data: Root of the data set; for images also a JSON file of COCO ground truth.
        split: What part of the data set was asked about: `test` (the default; for Ref-YouTube-VOS a holdout of its
            training videos), `val`, a hard test such as `testB`, with `check_only` `predict`, or a split by the name
            that `refsam-zoo inspect` lists, such as `refcoco+ testA`.
        on_incomplete: `error` refuses predictions that are not exactly what was asked for; `empty` scores missing
            masks as empty ones, ignores the others and lists both.
        check_only: Checks an archive for the server of `mevis`, `mevis_v2` or `ref_youtube_vos` instead of scoring it.
        output: Folder for tables and pictures; an earlier one is left alone.
        threads: Videos scored at a time.

    Raises:
        InputError: Predictions are incomplete or wrong, or the data set is not there.
    """
    predictions = Path(predictions)
    data = Path(data)
    output = None if output is None else Path(output)
    if check_only:
        _check(predictions, protocol, data, split or "predict")
        return
    from refsam_zoo import external_masks
    from refsam_zoo.evaluation.report import write_folder

    try:
        found = external_masks.evaluate(predictions, protocol, data, split, on_incomplete, threads)
    except IncompleteError as error:
        print("\n".join(error.completeness.lines()))
        raise
    print(found.markdown())
    if output is not None:
        print(f"\ntables and pictures: {write_folder(output, found.write)}")


def _check(predictions: Path, protocol: str, data: Path, split: str) -> None:
    from refsam_zoo.evaluation.submissions import check_submission
    from refsam_zoo.external_masks import referrals_asked

    problems = check_submission(predictions, protocol, referrals_asked(protocol, data, split))
    print("\n".join(problems) or f"{predictions}: nothing that the server of {protocol} could stumble over")
    if problems:
        raise InputError(f"'{predictions}' would be refused or scored wrongly: {len(problems)} problems, listed above")
