from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.video import masks as masks_module
from refsam_zoo.video.masks import LARGEST_GREY_ID, PaletteMasks, read_indexed, read_masks
from refsam_zoo.video.run_lengths import RunLengthMasks, RunLengths


def write_mask(path: Path, ids: np.ndarray, mode: str = "P") -> None:
    image = Image.fromarray(ids).convert("L") if mode == "L" else Image.frombytes("P", ids.shape[::-1], ids.tobytes())
    if mode == "P":
        # Ids 1 and 2 look alike and 3 looks like background: only the index tells them apart.
        image.putpalette([0, 0, 0, 200, 0, 0, 200, 0, 0, 0, 0, 0])
    image.save(path)


@pytest.fixture
def ids() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, (5, 20, 30), dtype=np.uint8)


@pytest.fixture(params=["P", "L"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, ids: np.ndarray) -> Path:
    for number, plane in enumerate(ids):
        write_mask(tmp_path / f"{number}.png", plane, request.param)
    return tmp_path


NAMES = ("0", "1", "2", "3", "4")


def test_ids_are_read_from_the_index_not_the_colour(folder: Path, ids: np.ndarray) -> None:
    mask = PaletteMasks(folder, NAMES, (2,)).read([3, 1], (20, 30))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, ids[[3, 1]] == 2)


def test_several_objects_are_united_and_none_is_empty(folder: Path, ids: np.ndarray) -> None:
    sources = [PaletteMasks(folder, NAMES, wanted) for wanted in [(1, 3), (), (2,)]]
    masks = read_masks(sources, [0, 4], (20, 30))
    expected = np.stack([np.isin(ids[[0, 4]], (1, 3)), np.zeros((2, 20, 30), bool), ids[[0, 4]] == 2])
    np.testing.assert_array_equal(masks, expected)


def test_a_mask_of_another_size_names_file_and_both_sizes(folder: Path) -> None:
    with pytest.raises(InputError, match=r"3\.png: the mask is 20x30 pixels, its frame 40x60"):
        PaletteMasks(folder, NAMES, (1,)).read([3], (40, 60))


def test_missing_damaged_and_colour_masks_are_refused_by_name(tmp_path: Path) -> None:
    source = PaletteMasks(tmp_path, NAMES, (1,))
    with pytest.raises(InputError, match=r"0\.png: the mask is missing"):
        source.read([0], (8, 8))
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    with pytest.raises(InputError, match=r"0\.png: .*mode RGB"):
        source.read([0], (8, 8))
    write_mask(tmp_path / "1.png", np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    data = (tmp_path / "1.png").read_bytes()
    for cut in (0, 10, 60, len(data) // 2, len(data) - 30):
        (tmp_path / "1.png").write_bytes(data[:cut])
        with pytest.raises(InputError, match=r"1\.png: not a readable mask"):
            source.read([1], (64, 64))


def test_ids_of_16_bits_are_ids(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 255], [256, 40000, 65535]], np.uint16)
    Image.fromarray(ids).save(tmp_path / "00000.PNG")
    masks = {
        wanted: PaletteMasks(tmp_path, ("0",), wanted).read([0], (2, 3))[0] for wanted in [None, (65535,), (1, 256)]
    }
    np.testing.assert_array_equal(masks[None], ids > 0)
    np.testing.assert_array_equal(masks[65535,], ids == 65535)
    np.testing.assert_array_equal(masks[1, 256], np.isin(ids, (1, 256)))


def test_a_mask_is_found_in_capitals_and_with_other_leading_zeros(folder: Path, ids: np.ndarray) -> None:
    (folder / "1.png").rename(folder / "0001.PNG")
    for name in ("._3.png", ".DS_Store"):
        (folder / name).write_bytes(b"no mask")
    masks = PaletteMasks(folder, ("01", "03"), (2,)).read([0, 1], (20, 30))
    np.testing.assert_array_equal(masks, ids[[1, 3]] == 2)


def test_a_mask_that_loses_its_ids_is_refused(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "0.png", "JPEG")
    with pytest.raises(InputError, match=r"0\.png: not a readable mask"):
        PaletteMasks(tmp_path, NAMES, (1,)).read([0], (8, 8))


def test_a_refusal_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "0.png"
    Image.new("L", (8, 6)).save(path)
    with pytest.raises(InputError) as refused:
        read_indexed(path, (7, 8))
    assert str(refused.value) == f"{path}: the mask is 6x8 pixels, its frame 7x8"
    Image.new("RGB", (8, 6)).save(path)
    with pytest.raises(InputError) as refused:
        read_indexed(path, (6, 8))
    assert str(refused.value) == f"{path}: a mask must be an indexed or grey PNG, this one has mode RGB"


def test_a_mask_of_one_bit_has_the_ids_0_and_1(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((1, 5, 7)) < 0.5
    Image.fromarray(mask[0]).save(tmp_path / "0.png")
    source = PaletteMasks(tmp_path, ("0",), (1,))
    assert np.issubdtype(source.read_ids([0], (5, 7)).dtype, np.integer)
    np.testing.assert_array_equal(source.read([0], (5, 7)), mask)


def test_a_picture_beside_a_mask_is_none(folder: Path, ids: np.ndarray) -> None:
    Image.new("RGB", (30, 20)).save(folder / "0.jpg")
    np.testing.assert_array_equal(PaletteMasks(folder, NAMES, (1,)).read([0], (20, 30)), ids[:1] == 1)


def test_without_a_folder_the_mask_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere/0\.png: the mask is missing$"):
        PaletteMasks(tmp_path / "nowhere", NAMES, (1,)).read([0], (8, 8))


def test_sources_of_all_kinds_are_read_together_and_shared_files_once(
    folder: Path, ids: np.ndarray, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    for number, plane in enumerate(ids):
        write_mask(other / f"{number}.png", 3 - plane)
    decoded: list[Path] = []
    read = masks_module.read_indexed
    monkeypatch.setattr(masks_module, "read_indexed", lambda path, size: (decoded.append(path), read(path, size))[1])
    box = RunLengthMasks(Path("box.json"), ((RunLengths((20, 30), (0, 20, 580)),) * 5,))
    sources = [
        PaletteMasks(folder, NAMES, (1,)),
        box,
        PaletteMasks(other, NAMES, (1,)),
        PaletteMasks(folder, NAMES, (2,)),
    ]
    first_column = np.broadcast_to(np.arange(30) == 0, (2, 20, 30))
    found = read_masks(sources, [3, 1], (20, 30))
    np.testing.assert_array_equal(found, [ids[[3, 1]] == 1, first_column, ids[[3, 1]] == 2, ids[[3, 1]] == 2])
    assert sorted(decoded) == sorted(source / name for source in (folder, other) for name in ("1.png", "3.png"))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_masks_lie_in_row_major_order(folder: Path, count: int) -> None:
    column_major = RunLengthMasks(Path("box.json"), ((RunLengths((20, 30), (0, 20, 580)),) * 5,))
    for source in (column_major, PaletteMasks(folder, NAMES, (1,))):
        found = read_masks([source] * count, [3, 1, 0], (20, 30))
        assert (found.shape, found.dtype, found.flags.c_contiguous) == ((count, 3, 20, 30), bool, True)


def test_equal_sources_count_as_one(folder: Path) -> None:
    """As the shard writer counts them."""
    assert len({PaletteMasks(folder, NAMES, ids) for ids in [(1,), (1,), (2,)]}) == 2


def test_the_largest_id_is_what_a_file_of_16_bits_holds(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), LARGEST_GREY_ID, np.uint16)).save(tmp_path / "0.png")
    assert PaletteMasks(tmp_path, ("0",), (LARGEST_GREY_ID,)).read([0], (2, 2)).all()
    assert np.iinfo(np.uint16).max == LARGEST_GREY_ID
