"""Where a model is strong and where weak: results grouped by what was asked and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from refsam_zoo.evaluation.results import ExpressionResult, by_tag

_WORDS = ((3, "1-3"), (6, "4-6"), (9, "7-9"), (14, "10-14"))
_FRAMES = ((10, "1-10"), (30, "11-30"), (60, "31-60"), (100, "61-100"))
# COCO's ranges of area, in pixels of the original frame.
_AREAS = ((0, "absent"), (32**2, "small"), (96**2, "medium"))
_EXTENTS = ((0.05, "still"), (0.2, "near"))

Groups = dict[str, list[ExpressionResult]]


def break_down(results: Sequence[ExpressionResult]) -> dict[str, Groups]:
    """Groups results in five ways; what no result belongs to is left out.

    Returns:
        Title -> name of the group -> results: the number of words of the expression, the mean area of the target
        (COCO's ranges: small up to 32 x 32 pixels, medium up to 96 x 96), its motion (still where the box around the
        path of its centre is at most 5 % of the image's diagonal, near up to 20 %, far beyond), the kind of the
        expression, and the number of frames.
    """
    visible = [result for result in results if result.extent is not None]
    return {
        "words in the expression": _ranges(results, lambda result: len(result.expression.split()), _WORDS, "15+"),
        "size of the target": _ranges(results, lambda result: result.area, _AREAS, "large"),
        "motion of the target": _ranges(visible, lambda result: result.extent or 0.0, _EXTENTS, "far"),
        "kind of the expression": by_tag(results, "kind"),
        "frames of the video": _ranges(results, lambda result: result.frames, _FRAMES, "101+"),
    }


def _ranges(
    results: Sequence[ExpressionResult],
    measure: Callable[[ExpressionResult], float],
    ranges: Sequence[tuple[float, str]],
    last: str,
) -> Groups:
    """Groups by the first range whose upper end is not exceeded."""
    groups: Groups = {name: [] for name in (*(name for _, name in ranges), last)}
    for result in results:
        value = measure(result)
        groups[next((name for end, name in ranges if value <= end), last)].append(result)
    return {name: members for name, members in groups.items() if members}
