"""`refsam-zoo list`: the zoo as a table or as model cards, and the table of its data sets."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch

from refsam_zoo.errors import InputError
from refsam_zoo.text_tables import format_table
from refsam_zoo.zoo_entries import ModelInfo

_HEADER = ("role", "name", "family", "image size", "parameters", "weights", "licence", "paper", "limits")
_DATA_HEADER = (
    "data set", "data module", "licence", "size", "videos", "sentences", "train", "val, test", "predict", "protocols",
)  # fmt: skip


def list(pattern: str = "*", markdown: bool = False, cards: bool = False, data: bool = False) -> None:
    """Prints the zoo as a table or as model cards, or the table of its data sets.

    Args:
        pattern: Shell pattern of the names to list; with `data` those of data modules, such as `RefDAVIS17`.
        markdown: Print a Markdown table instead of aligned text.
        cards: Print a Markdown section per entry with all that is known of it.
        data: Print the data sets: licence, size, videos, sentences, splits, protocols and page.

    Raises:
        InputError: `cards` and `data` are asked for at once.
    """
    if data and cards:
        raise InputError("--data has no cards: its table says what is known, the pages in docs/data the rest")
    if data:
        print(
            format_table(
                [_DATA_HEADER if markdown else (*_DATA_HEADER, "page"), *_data_rows(pattern, markdown)], markdown
            )
        )
        return
    from refsam_zoo.zoo import list_entries

    infos = list_entries(pattern)
    print("\n\n".join(map(_card_text, infos)) if cards else format_table([_HEADER, *map(_row, infos)], markdown))


def _data_rows(pattern: str, markdown: bool) -> Iterator[tuple[str, ...]]:
    """The rows of aligned text, or those of docs/data/README.md, where a name leads to its page."""
    from refsam_zoo.data_modules import Mixture, ReferringDataModule
    from refsam_zoo.data_modules.recognition import DATA_SETS

    modules: tuple[type[ReferringDataModule] | type[Mixture], ...] = (*DATA_SETS, Mixture)
    for module in sorted(modules, key=lambda module: module.title):
        name, card = module.__name__, module.card
        if fnmatch(name, pattern):
            facts = (card.licence, card.size, card.videos, card.sentences, card.train, card.evaluation, card.prediction)
            if markdown:
                protocols = ", ".join(f"`{each}`" for each in module.protocols)
                yield f"[{module.title}]({module.page})", f"`{name}`", *facts, protocols or "-"
            else:
                yield module.title, name, *facts, ", ".join(module.protocols) or "-", f"docs/data/{module.page}"


def _row(info: ModelInfo) -> tuple[str, ...]:
    card, millions = info.card, "" if info.parameters is None else f"{info.parameters / 1e6:.1f} M"
    size = str(info.image_size or "")
    return info.role, info.name, card.family, size, millions, card.weights, card.licence, card.paper, card.limits


def _card_text(info: ModelInfo) -> str:
    card = info.card
    facts = {
        "family": card.family,
        "parameters": "" if info.parameters is None else f"{info.parameters:,}".replace(",", " "),
        "width": str(info.width or ""),
        "preprocessing": info.preprocessing,
        "weights": card.weights,
        "SHA-256": card.sha256,
        "licence": card.licence,
        "limits": card.limits,
        "paper": card.paper if card.paper == "-" else f"arXiv {card.paper}",
    }
    known = [f"- {key}: {value}" for key, value in facts.items() if value not in ("", "-", "none")]
    return "\n".join([f"### {info.name} ({info.role})", "", info.summary, "", *known])
