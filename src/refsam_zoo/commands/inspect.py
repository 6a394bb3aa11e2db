"""`refsam-zoo inspect`: what is in a data set and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.number_types import Workers


def inspect(
    root: str | Path, contact_sheet: str | Path = Path("contact_sheet.png"), workers: Workers | None = None
) -> None:
    """Checks a data set: counts, statistics, a contact sheet, and every broken or missing file.

    The data set is recognised from the tree. Every annotated frame and mask is decoded, by the code that trains. What
    `fit`, `test` or `predict` would refuse all the same, a split without sentences for instance, is said too.

    Args:
        root: Folder of the data set.
        contact_sheet: The PNG to write, in place of an earlier one.
        workers: Processes; if not given, one for each processor core where there are enough pictures to read that
            starting them pays. With 1 everything is read in this process.

    Raises:
        InputError: The data set is not known or anything in it is wrong.
    """
    from refsam_zoo.preparation.inspection import inspect_data_set

    for paragraph in inspect_data_set(root, contact_sheet, workers):
        print(paragraph)
