"""`refsam-zoo evaluate`: joins data sets and protocols, which do not know each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.evaluation.completeness import IncompleteError, OnIncomplete
from refsam_zoo.number_types import PositiveInt

if TYPE_CHECKING:
    from refsam_zoo.data_modules import ReferringDataModule
    from refsam_zoo.evaluation.protocols import Evaluation
    from refsam_zoo.types import Referral


def evaluate_command(
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
    from refsam_zoo.evaluation.report import write_folder

    try:
        found = evaluate(predictions, protocol, data, split, on_incomplete, threads)
    except IncompleteError as error:
        print("\n".join(error.completeness.lines()))
        raise
    print(found.markdown())
    if output is not None:
        print(f"\ntables and pictures: {write_folder(output, found.write)}")


def evaluate(
    predictions: str | Path,
    protocol: str,
    data: str | Path | Sequence[Referral],
    split: str | None = None,
    on_incomplete: OnIncomplete = "error",
    threads: PositiveInt = 1,
) -> Evaluation:
    """Scores a folder or zip of masks of any system.

    Args:
        predictions: Folder or zip of PNG masks; for images a JSON file of COCO results.
        protocol: `mevis`, `ref_youtube_vos`, `ref_davis17`, ...: whose rules to score by.
        data: Root of the data set, or what was asked as referrals; for images also a JSON file of COCO ground truth.
        split: What part of the data set at `data` was asked about, as in `refsam-zoo evaluate`; None is `test`.
        on_incomplete: `error` refuses predictions that are not exactly what was asked for; `empty` scores missing
            masks as empty ones and ignores the others.
        threads: Videos scored at a time.

    Returns:
        Totals, one row per expression, object or image, and what was missing; `markdown()` is its table.

    Raises:
        InputError: A name is unknown, predictions are incomplete or wrong, or the data set is not there.
    """
    from refsam_zoo.evaluation import scoring

    if isinstance(data, str | Path):
        data = _truth(protocol, Path(data), split)
    elif split is not None:
        raise InputError(f"split '{split}' goes with the root of a data set; referrals are what was asked already")
    return scoring.evaluate(predictions, protocol, data, on_incomplete, threads)


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
    from refsam_zoo.evaluation.protocols import get_protocol

    get_protocol(protocol)
    module = _data_module(protocol, data)
    splits, roles = module.splits(data), ("test", "val", "predict", *module.hard_tests())
    if split in roles:
        return module.referrals(split)
    if split not in splits:
        raise InputError(f"'{data}' has no split '{split}'{nearest_name(split, {*roles, *splits})}")
    return splits[split]()


def _data_module(protocol: str, data: Path) -> ReferringDataModule:
    """Opens the data set of a protocol; the rule of MeViS scores any that has expressions about videos."""
    from refsam_zoo.data_modules.recognition import DATA_SETS, recognise

    asking = {name: data_set for data_set in DATA_SETS for name in data_set.protocols}
    if protocol not in asking:
        raise InputError(f"protocol '{protocol}' does not ask for expressions; those that do: {', '.join(asking)}")
    if not data.is_dir():
        raise InputError(f"'{data}': the data root is missing")
    chosen = asking[protocol]
    options: dict[str, Any] = {"dataset": "grefcoco"} if protocol == "grefcoco" else {}
    if protocol == "mevis" and not (data / "valid_u").is_dir() and not (data / "valid").is_dir():
        chosen = recognise(data).data_module
    return chosen(data, **options)
