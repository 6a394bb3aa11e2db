"""`refsam-zoo list`: the zoo as a table or as model cards."""

from __future__ import annotations

from refsam_zoo.text_tables import format_table
from refsam_zoo.zoo import ModelInfo, list_entries

_HEADER = ("role", "name", "family", "image size", "parameters", "weights", "licence", "paper", "limits")


def list(pattern: str = "*", markdown: bool = False, cards: bool = False) -> None:
    """Prints the zoo as a table or as model cards.

    Args:
        pattern: Shell pattern of the names to list.
        markdown: Print a Markdown table instead of aligned text.
        cards: Print a Markdown section per entry with all that is known of it.
    """
    infos = list_entries(pattern)
    print("\n\n".join(map(_card_text, infos)) if cards else format_table([_HEADER, *map(_row, infos)], markdown))


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
