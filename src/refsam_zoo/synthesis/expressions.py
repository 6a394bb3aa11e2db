"""The grammar, and the proof: every sentence comes with the ids of exactly the objects it is true of.

A sentence is its predicate: the words that are written and the facts that are asked are taken from the same fields,
and truth is decided on `SceneFacts`, for every object of the scene, whatever sentence was hoped for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from refsam_zoo.synthesis.facts import MOTIONS, RELATIONS, ObjectFacts, SceneFacts
from refsam_zoo.synthesis.shapes import COLOURS, HELD_OUT, SHAPES

KINDS = ("attribute", "motion", "relation", "plural", "absent")

Truth = bool | None


@dataclass(frozen=True)
class NounPhrase:
    """Words for looks, each of them optional."""

    size: str | None
    colour: str | None
    shape: str | None

    def __str__(self) -> str:
        return " ".join(word for word in (self.size, self.colour, self.shape or "object") if word)

    @property
    def plural(self) -> str:
        """The phrase in the plural: "red crosses"."""
        return f"{self}es" if self.shape == "cross" else f"{self}s"

    def holds(self, facts: ObjectFacts) -> Truth:
        """Says whether an object looks like that."""
        return conjunction(
            equal(self.colour, facts.look.colour), equal(self.shape, facts.look.shape), equal(self.size, facts.size)
        )


@dataclass(frozen=True)
class MotionClause:
    """A word of motion or of speed, and how to say it of a noun phrase."""

    word: str
    template: str

    def holds(self, facts: ObjectFacts) -> Truth:
        """Says whether an object moves like that."""
        return equal(self.word, facts.speed if self.word in ("fast", "slow") else facts.motion)


CLAUSES = (
    *(MotionClause(word, f"the {{}} moving {word}") for word in MOTIONS[:4]),
    MotionClause("circling", "the {} circling"),
    MotionClause("still", "the {} that is still"),
    MotionClause("fast", "the fast {}"),
    MotionClause("slow", "the {} moving slowly"),
)


@dataclass(frozen=True)
class Expression:
    """A sentence that is proved.

    Attributes:
        sentence: What is written.
        kind: One of `KINDS`.
        object_ids: Ids of exactly the objects it is true of, ascending.
        phrase: The words for the looks of the objects.
        rivals: How many objects those words alone are true of.
    """

    sentence: str
    kind: str
    object_ids: tuple[int, ...]
    phrase: NounPhrase
    rivals: int


def equal(asked: str | None, known: str | None) -> Truth:
    """Compares a word with a fact; no word is true of everything, a disputable fact settles nothing."""
    if asked is None:
        return True
    return None if known is None else asked == known


def conjunction(*truths: Truth) -> Truth:
    """Gives the three-valued "and"."""
    if False in truths:
        return False
    return None if None in truths else True


def prove(truths: Sequence[Truth], facts: SceneFacts) -> tuple[int, ...] | None:
    """Gives the ids of the objects a predicate is true of, or None where that is disputable.

    Args:
        truths: The predicate's value for each object.
        facts: Of the scene; an object that is not clear cannot be named.
    """
    named = [index for index, truth in enumerate(truths) if truth]
    if None in truths or not all(facts.objects[index].clear for index in named):
        return None
    return tuple(index + 1 for index in named)


def provable_expressions(facts: SceneFacts) -> list[Expression]:
    """Writes every expression of the grammar that is true of a scene beyond doubt, in a fixed order."""
    phrases = sorted({phrase for thing in facts.objects for phrase in _phrases(thing)}, key=str)
    return [*_attributes(phrases, facts), *_motions(phrases, facts), *_relations(phrases, facts), *_absences(facts)]


def _phrases(thing: ObjectFacts) -> Iterator[NounPhrase]:
    whole = NounPhrase(thing.size, thing.look.colour, thing.look.shape)
    for size, colour, shape in product((whole.size, None), (whole.colour, None), (whole.shape, None)):
        yield NounPhrase(size, colour, shape)


def _rivals(phrase: NounPhrase, facts: SceneFacts) -> int:
    return sum(phrase.holds(thing) is True for thing in facts.objects)


def _attributes(phrases: list[NounPhrase], facts: SceneFacts) -> Iterator[Expression]:
    for phrase in phrases:
        ids = prove([phrase.holds(thing) for thing in facts.objects], facts)
        if not ids or phrase == NounPhrase(None, None, None):
            continue
        if len(ids) == 1:
            yield Expression(f"the {phrase}", "attribute", ids, phrase, 1)
        else:
            yield Expression(f"all {phrase.plural}", "plural", ids, phrase, len(ids))


def _motions(phrases: list[NounPhrase], facts: SceneFacts) -> Iterator[Expression]:
    for phrase, clause in product(phrases, CLAUSES):
        truths = [conjunction(phrase.holds(thing), clause.holds(thing)) for thing in facts.objects]
        ids = prove(truths, facts)
        if ids and len(ids) == 1:
            yield Expression(clause.template.format(phrase), "motion", ids, phrase, _rivals(phrase, facts))


def _relations(phrases: list[NounPhrase], facts: SceneFacts) -> Iterator[Expression]:
    """Relates to an anchor that its own words single out; sizes are left out to keep the sentences short."""
    short = [phrase for phrase in phrases if phrase.size is None and (phrase.colour or phrase.shape)]
    anchors = [item for item in _attributes(short, facts) if item.kind == "attribute" and item.phrase.shape]
    for phrase, word, anchor in product(short, RELATIONS, anchors):
        column = facts.relations[word][:, anchor.object_ids[0] - 1]
        truths = [
            conjunction(phrase.holds(thing), None if value < 0 else bool(value))
            for thing, value in zip(facts.objects, column, strict=True)
        ]
        ids = prove(truths, facts)
        if ids and len(ids) == 1:
            sentence = f"the {phrase} {word} {anchor.sentence}"
            yield Expression(sentence, "relation", ids, phrase, _rivals(phrase, facts))


def _absences(facts: SceneFacts) -> Iterator[Expression]:
    """Asks for what is nearly there: both words occur in the scene, or the size alone is wrong."""
    colours = [colour for colour in COLOURS if any(thing.look.colour == colour for thing in facts.objects)]
    shapes = [shape for shape in SHAPES if any(thing.look.shape == shape for thing in facts.objects)]
    for colour, shape, size in product(colours, shapes, (None, "small", "big")):
        phrase = NounPhrase(size, colour, shape)
        if size and prove([replace(phrase, size=None).holds(thing) for thing in facts.objects], facts) == ():
            continue
        if prove([phrase.holds(thing) for thing in facts.objects], facts) == () and (colour, shape) not in HELD_OUT:
            yield Expression(f"the {phrase}", "absent", (), phrase, 0)


def choose_expressions(split: str, facts: SceneFacts, rng: np.random.Generator, share: int = 1) -> list[Expression]:
    """Chooses what is asked about a scene.

    Args:
        split: The hard tests ask for their own kind only, and only where the hard part is needed; elsewhere motion and
            relation are needed where the scene allows.
        facts: Of the scene.
        rng: Draws among the provable expressions.
        share: How many times as many of each kind as usual, as far as there are.

    Returns:
        Four to eight expressions times the share, two to four in the hard tests; none if the scene is of no use.
    """
    pool = [item for item in provable_expressions(facts) if _serves(split, item, facts)]
    chosen: list[Expression] = []
    for kind, wanted in _quota(split, rng).items():
        fitting = [item for item in pool if item.kind == kind]
        if kind in ("motion", "relation"):
            fitting = [item for item in fitting if item.rivals > 1] or fitting
        chosen += _spread(fitting, wanted * share, rng)
    fewest = 4 if split in ("train", "val", "test") else 2
    return [chosen[index] for index in rng.permutation(len(chosen))] if len(chosen) >= fewest else []


def _serves(split: str, item: Expression, facts: SceneFacts) -> bool:
    """Says whether an expression belongs into a split."""
    targets = [facts.objects[index - 1] for index in item.object_ids]
    if split == "unseen":
        return item.kind == "attribute" and (item.phrase.colour, item.phrase.shape) in HELD_OUT
    if split == "occlusion":
        return len(targets) == 1 and targets[0].occluded
    return split not in ("motion", "relation") or item.rivals > 1


def _quota(split: str, rng: np.random.Generator) -> dict[str, int]:
    if split in ("motion", "relation"):
        return {split: 4}
    if split == "occlusion":
        return {"attribute": 2, "motion": 1, "relation": 1}
    if split == "unseen":
        return {"attribute": 2}
    often, seldom = rng.random(2) < 0.8, rng.random(2) < 0.5
    return {
        "attribute": 4,
        "motion": int(often[0]),
        "relation": int(often[1]),
        "plural": int(seldom[0]),
        "absent": int(seldom[1]),
    }


def _spread(pool: list[Expression], wanted: int, rng: np.random.Generator) -> list[Expression]:
    """Draws expressions so that every target is named about equally often and no target is named alike twice."""
    chosen: list[Expression] = []
    while pool and len(chosen) < wanted:
        used = [sum(set(item.object_ids) == set(other.object_ids) for other in chosen) for item in pool]
        fresh = [item for item, times in zip(pool, used, strict=True) if times == min(used)]
        targets = sorted({item.object_ids for item in fresh})
        target = targets[int(rng.integers(len(targets)))]
        fresh = [item for item in fresh if item.object_ids == target]
        weights = np.array([_weight(item.phrase) for item in fresh])
        chosen.append(fresh[int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum(), side="right"))])
        pool = [item for item in pool if item.sentence != chosen[-1].sentence]
    return chosen


def _weight(phrase: NounPhrase) -> int:
    """Prefers the phrases people use: colour and shape, then all three words, then the rest."""
    if phrase.colour and phrase.shape:
        return 2 if phrase.size else 5
    return 1
