from __future__ import annotations

import numpy as np
import pytest

from refsam_zoo.synthesis.expressions import NounPhrase, conjunction, provable_expressions, prove
from refsam_zoo.synthesis.facts import RELATIONS, ObjectFacts, SceneFacts
from refsam_zoo.synthesis.scenes import Look


def seen(look: str, motion: str | None = "still", speed: str | None = "still", clear: bool = True) -> ObjectFacts:
    size, colour, shape = look.split()
    return ObjectFacts(Look(shape, colour, size), None if size == "?" else size, motion, speed, clear, False)


def scene(*things: ObjectFacts, **relations: list[list[int]]) -> SceneFacts:
    nothing = np.full((len(things), len(things)), -1)
    known = {word.replace("_", " "): np.array(matrix) for word, matrix in relations.items()}
    return SceneFacts(things, {word: known.get(word, nothing) for word in RELATIONS})


def said(facts: SceneFacts) -> dict[str, tuple[int, ...]]:
    expressions = provable_expressions(facts)
    sentences = {item.sentence: item.object_ids for item in expressions}
    assert len(sentences) == len(expressions)
    return sentences


@pytest.mark.parametrize(
    ("truths", "result"),
    [((True, True), True), ((True, None), None), ((None, False), False), ((False, True), False), ((), True)],
)
def test_three_valued_conjunction(truths: tuple, result: bool | None) -> None:
    assert conjunction(*truths) is result


def test_a_proof_needs_every_object_settled_and_every_target_clear() -> None:
    facts = scene(seen("big red square"), seen("big red circle", clear=False))
    assert prove([True, False], facts) == (1,)
    assert prove([False, False], facts) == ()
    assert prove([True, None], facts) is None
    assert prove([False, True], facts) is None


def test_attributes_plurals_and_absences() -> None:
    sentences = said(
        scene(seen("big red square"), seen("small red square"), seen("big blue cross"), seen("big blue star"))
    )
    assert sentences["the big red square"] == sentences["the big square"] == (1,)
    assert sentences["the cross"] == sentences["the blue cross"] == (3,)
    assert sentences["all red squares"] == sentences["all red objects"] == (1, 2)
    assert sentences["all big objects"] == (1, 3, 4)
    assert sentences["the blue square"] == sentences["the small blue cross"] == ()
    assert "the red square" not in sentences
    assert "the yellow square" not in sentences  # nothing yellow is there: too easy


def test_a_disputable_size_silences_only_what_depends_on_it() -> None:
    sentences = said(scene(seen("? red square"), seen("small blue square"), seen("small red ring")))
    assert "the small square" not in sentences
    assert sentences["the small ring"] == (3,)
    assert sentences["the red square"] == (1,)
    assert "the big red square" not in sentences


def test_motion_of_twins() -> None:
    twins = seen("big red star", "left", "fast"), seen("big red star", "circling", "fast")
    facts = scene(*twins, seen("big white star", None, "slow"))
    expressions = {item.sentence: item for item in provable_expressions(facts) if item.kind == "motion"}
    assert expressions["the red star moving left"].object_ids == (1,)
    assert expressions["the red star moving left"].rivals == 2
    assert expressions["the big red star circling"].object_ids == (2,)
    assert expressions["the star moving slowly"].object_ids == (3,)
    assert "the star moving left" not in expressions  # how the white one moves is disputable
    assert "the fast red star" not in expressions


def test_relation_of_twins_to_an_anchor() -> None:
    matrix = [[0, 0, 1], [0, 0, 0], [0, 1, 0]]
    facts = scene(seen("big red star"), seen("big red star"), seen("big cyan cross"), left_of=matrix)
    expressions = {item.sentence: item for item in provable_expressions(facts) if item.kind == "relation"}
    assert expressions["the red star left of the cyan cross"].object_ids == (1,)
    assert expressions["the red star left of the cyan cross"].rivals == 2
    assert not any(" of the star" in sentence or " of the red star" in sentence for sentence in expressions)


def test_held_out_pairs_are_never_called_absent() -> None:
    sentences = said(scene(seen("big red star"), seen("big blue ring")))
    assert "the red ring" not in sentences
    assert sentences["the blue star"] == ()


def test_words_and_plurals() -> None:
    assert str(NounPhrase("small", None, None)) == "small object"
    assert NounPhrase(None, "red", "cross").plural == "red crosses"
    assert NounPhrase(None, None, "star").plural == "stars"
