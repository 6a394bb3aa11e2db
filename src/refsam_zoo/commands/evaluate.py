"""`refsam-zoo evaluate`: joins data sets and protocols, which do not know each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import IncompleteError, OnIncomplete
from refsam_zoo.number_types import PositiveInt

if TYPE_CHECKING:
    from refsam_zoo.types import Referral


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
        check_only: Checks an archive for the server of `mevis` or `ref_youtube_vos` instead of scoring it.
        output: Folder for tables and pictures; an earlier one is left alone.
        threads: Videos scored at a time.

    Raises:
        InputError: Predictions are incomplete or wrong, or the data set is not there.
    """
    predictions = Path(predictions)
    data = Path(data)
    output = None if output is None else Path(output)
    if check_only:
        _check(predictions, protocol, _referrals(protocol, data, split or "predict"))
        return
    from refsam_zoo.evaluation import scoring
    from refsam_zoo.evaluation.report import write_folder

    try:
        found = scoring.evaluate(predictions, protocol, _truth(protocol, data, split), on_incomplete, threads)
    except IncompleteError as error:
        print("\n".join(error.completeness.lines()))
        raise
    print(found.markdown())
    if output is not None:
        print(f"\ntables and pictures: {write_folder(output, found.write)}")


def _check(predictions: Path, protocol: str, referrals: list[Referral]) -> None:
    from refsam_zoo.evaluation.submissions import check_submission

    problems = check_submission(predictions, protocol, referrals)
    print("\n".join(problems) or f"{predictions}: nothing that the server of {protocol} could stumble over")
    if problems:
        raise InputError(f"'{predictions}' would be refused or scored wrongly: {len(problems)} problems, listed above")


def _truth(protocol: str, data: Path, split: str | None) -> Path | list[Referral]:
    from refsam_zoo.evaluation.protocols import AnnotatorsProtocol, LabelMapProtocol, get_protocol

    by_label = isinstance(get_protocol(protocol), LabelMapProtocol | AnnotatorsProtocol)
    if not by_label and data.is_dir():
        return _referrals(protocol, data, split or "test")
    if split is not None:
        raise InputError(f"'{data}' has no splits for protocol '{protocol}': leave out split")
    if not data.exists():
        raise InputError(f"'{data}': the data root is missing")
    return data


def _referrals(protocol: str, data: Path, split: str) -> list[Referral]:
    from refsam_zoo.data_modules.asked import referrals_asked
    from refsam_zoo.evaluation.protocols import get_protocol

    get_protocol(protocol)
    return referrals_asked(protocol, data, split)
