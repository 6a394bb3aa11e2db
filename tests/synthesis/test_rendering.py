from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.synthesis import SynthesisOptions
from refsam_zoo.synthesis.rendering import photograph
from refsam_zoo.synthesis.videos import make_video


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of coloured noise, one of which is small."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, size in enumerate([(200, 300), (30, 40)]):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_a_photograph_is_made_dull(photographs: Path) -> None:
    cut = photograph(photographs, 96, np.random.default_rng(0))
    assert cut.shape == (96, 96, 3)
    assert cut.max() <= 25 + 128
    whole = np.asarray(Image.open(photographs / "0.png")).astype(float)
    assert np.ptp(cut, axis=2).mean() < 0.3 * np.ptp(whole, axis=2).mean()


def test_what_is_asked_stays_and_what_is_behind_is_of_the_photographs(photographs: Path) -> None:
    options = SynthesisOptions(image_size=64, frames=6)
    drawn, shown = (make_video("test", 0, each) for each in (options, replace(options, photographs=str(photographs))))
    assert drawn.expressions == shown.expressions
    np.testing.assert_array_equal(drawn.labels, shown.labels)
    background = drawn.labels == 0
    assert (drawn.pictures != shown.pictures).any(-1)[background].mean() > 0.9
    again = make_video("test", 0, replace(options, photographs=str(photographs)))
    np.testing.assert_array_equal(shown.pictures, again.pictures)


def test_a_folder_without_pictures_and_a_broken_one_are_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=rf"^{folder}: photographs: no pictures"):
            photograph(folder, 64, np.random.default_rng(0))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken\.jpg: photographs: the picture cannot be read"):
        photograph(tmp_path, 64, np.random.default_rng(0))
