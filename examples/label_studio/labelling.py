"""What a Label Studio project asks for: its labelling configuration (XML), a task's data, and what was typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from refsam_zoo import InputError

REGIONS = {"Video": "VideoRectangle", "Image": "BrushLabels"}
"""Tag of what is shown -> tag of what is found in it."""

RATE = 24.0
"""Frames per second by which Label Studio numbers the frames of a `Video` without `framerate`."""


@dataclass(frozen=True)
class Labelling:
    """What is shown, and what may be said of it.

    Attributes:
        kind: "Video" or "Image".
        shown: Name of its tag.
        field: Key of its address in a task's data.
        region: Name of the tag that regions belong to.
        labels: Labels that a region may have.
        rate: `framerate` of the `Video` tag, in frames per second or as `$key` of a task's data.
        sentence_field: Key of the sentences in a task's data; None without a TextArea that has a value.
    """

    kind: str
    shown: str
    field: str
    region: str
    labels: tuple[str, ...]
    rate: str = str(RATE)
    sentence_field: str | None = None

    @classmethod
    def parse(cls, configuration: object) -> Labelling:
        """Reads a labelling configuration.

        Raises:
            InputError: It is no XML, or has not what is needed.
        """
        if not isinstance(configuration, str) or "<!" in configuration.replace("<!--", ""):
            raise InputError("the labelling configuration is no XML without a document type")
        try:
            root = ElementTree.fromstring(configuration)
        except ElementTree.ParseError as error:
            raise InputError(f"the labelling configuration is no XML: {error}") from error
        for kind, region_tag in REGIONS.items():
            shown, region = root.find(f".//{kind}"), root.find(f".//{region_tag}")
            if shown is None or region is None:
                continue
            text = root.find(".//TextArea")
            return cls(
                kind,
                shown.get("name", ""),
                shown.get("value", "").removeprefix("$"),
                region.get("name", ""),
                tuple(label.get("value", "") for label in root.iter("Label")),
                shown.get("framerate", str(RATE)),
                None if text is None or not text.get("value") else text.get("value", "").removeprefix("$"),
            )
        pairs = " or ".join(f"{kind} with {region}" for kind, region in REGIONS.items())
        raise InputError(f"the labelling configuration needs the tags {pairs}")

    def address(self, task: Mapping[str, Any]) -> str:
        """Gives the address of a task's video or image.

        Raises:
            InputError: It has none.
        """
        address = _data(task).get(self.field)
        if not isinstance(address, str):
            raise InputError(f"task {task.get('id')} has no '{self.field}' in its data")
        return address

    def sentences(self, task: Mapping[str, Any], context: object) -> list[str]:
        """Gives what to look for: what was typed just now, else what the task says, else all labels.

        Args:
            task: A task.
            context: What the tool tells of the region that an annotator made; None where it asks by itself.

        Raises:
            InputError: There is nothing of all that.
        """
        said = _texts(_data(task).get(self.sentence_field or ""))
        found = list(_typed(context)) or said or _texts(list(self.labels))
        if not found:
            raise InputError(f"task {task.get('id')}: nothing says what to look for; type it, or give labels")
        return found

    def label(self, sentence: str) -> list[str]:
        """Gives the label of a region: the sentence where it is one, else the first there is."""
        return [sentence] if sentence in self.labels else list(self.labels[:1])

    def frames_per_second(self, task: Mapping[str, Any]) -> float:
        """Gives the rate by which the tool numbers frames.

        Raises:
            InputError: It is no number above zero.
        """
        given = self.rate
        if given.startswith("$"):
            given = _data(task).get(given.removeprefix("$"), RATE)
        try:
            rate = float(given)
        except (TypeError, ValueError):
            rate = 0.0
        if not 0 < rate < 1e6:
            raise InputError(f"framerate '{given}' of tag '{self.shown}' is no number of frames per second")
        return rate


def _data(task: Mapping[str, Any]) -> Mapping[str, Any]:
    data = task.get("data")
    return data if isinstance(data, Mapping) else {}


def _texts(given: object) -> list[str]:
    """Gives the texts in a text or a list that are not empty."""
    texts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _typed(context: object) -> Iterator[str]:
    """Finds what stands in the text areas of a context."""
    results = context.get("result") if isinstance(context, Mapping) else None
    for result in results if isinstance(results, Sequence) else []:
        if isinstance(result, Mapping) and result.get("type") == "textarea":
            value = result.get("value")
            yield from _texts(value.get("text") if isinstance(value, Mapping) else None)
