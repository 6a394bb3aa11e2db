"""`refsam-zoo parameters`: how many parameters RefSAM's compositions have and how many of them are learned."""

from __future__ import annotations


def parameters(markdown: bool = False) -> None:
    """Prints what RefSAM's compositions consist of and learn.

    Args:
        markdown: Print a Markdown table instead of aligned text.
    """
    from refsam_zoo.parameter_counts import COMPOSITIONS, count
    from refsam_zoo.text_tables import format_table

    header = ("composition", "SAM", "encoder", "MLP", "prompts", "decoder", "tracker", "learnable", "paper", "idle")
    rows: list[tuple[str, ...]] = [header]
    for composition in COMPOSITIONS:
        counts = count(composition)
        numbers = (
            counts.sam,
            counts.tuned,
            counts.cross_modal,
            counts.prompts,
            counts.mask_decoder,
            counts.tracker,
            counts.learnable,
        )
        published = f"{composition.published} M" if composition.published else ""
        rows.append((composition.title, *map(_grouped, numbers), published, _grouped(counts.idle)))
    print(format_table(rows, markdown))


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")
