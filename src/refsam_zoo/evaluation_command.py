"""`refsam-zoo evaluate`: joins data sets and protocols, which do not know each other."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import OnIncomplete
from refsam_zoo.evaluation.protocols import ExpressionProtocol, get_protocol
from refsam_zoo.evaluation.report import write_folder
from refsam_zoo.evaluation.scoring import evaluate
from refsam_zoo.types import Referral

DATA_SETS = {
    "mevis": "MeViS",
    "ref_davis17_expressions": "RefDAVIS17",
    "ref_shapes": "RefShapes",
    "ref_youtube_vos": "ReferYouTubeVOS",
}
"""Protocol that scores expressions -> the data module that knows them."""


def evaluate_command(
    predictions: Path,
    *,
    protocol: str,
    data: Path,
    split: str | None = None,
    on_incomplete: OnIncomplete = "error",
    check_only: bool = False,
    output: Path | None = None,
    threads: int = 1,
) -> None:
    """Score a folder or zip of masks of any system.

    Args:
        predictions: Folder or zip of PNG masks; for images a JSON file of COCO results.
        protocol: `mevis`, `ref_youtube_vos`, `ref_davis17`, ...: whose rules to score by.
        data: Root of the data set; for images a JSON file of COCO ground truth.
        split: What part of the data set was asked about: `test` (for Ref-YouTube-VOS a holdout of its training
            videos), `val`, a hard test of RefShapes, or with `check_only` `predict`, which are also the defaults.
        on_incomplete: `error` refuses predictions that are not exactly what was asked for; `empty` scores missing
            masks as empty ones, ignores the others and lists both.
        check_only: Checks an archive for the server of `mevis` or `ref_youtube_vos` instead of scoring it.
        output: Folder for the table and the totals; an earlier one is left alone.
        threads: Videos scored at a time.

    Raises:
        InputError: Predictions are incomplete or wrong, or the data set is not there.
    """
    if check_only:
        _check(predictions, protocol, _referrals(protocol, data, split or "predict"))
        return
    by_expression = isinstance(get_protocol(protocol), ExpressionProtocol)
    if not by_expression and split is not None:
        raise InputError(f"protocol '{protocol}' has no splits: leave out split")
    truth = _referrals(protocol, data, split or "test") if by_expression else _davis_root(data)
    found = evaluate(predictions, protocol, truth, on_incomplete, threads)
    print(found.markdown())
    if output is not None:
        print(f"\ntable and totals: {write_folder(output, found.write)}")


def _check(predictions: Path, protocol: str, referrals: list[Referral]) -> None:
    from refsam_zoo.evaluation.submissions import check_submission

    problems = check_submission(predictions, protocol, referrals)
    print("\n".join(problems) or f"{predictions}: nothing that the server of {protocol} could stumble over")
    if problems:
        raise InputError(f"'{predictions}' would be refused or scored wrongly: {len(problems)} problems, listed above")


def _referrals(protocol: str, data: Path, split: str) -> list[Referral]:
    from refsam_zoo import data_modules

    get_protocol(protocol)
    if protocol not in DATA_SETS:
        raise InputError(f"protocol '{protocol}' does not ask for expressions; those that do: {', '.join(DATA_SETS)}")
    if not data.is_dir():
        raise InputError(f"'{data}': the data root is missing")
    found: list[Referral] = getattr(data_modules, DATA_SETS[protocol])(data).referrals(split)
    return found


def _davis_root(data: Path) -> Path:
    """Finds DAVIS inside a Ref-DAVIS17 tree."""
    return data / "DAVIS" if (data / "DAVIS").is_dir() else data
