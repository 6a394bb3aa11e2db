"""Clips stay while someone uses them, and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving.running import LIMITS

from refsam_zoo.serving.clip_store import ClipStore
from refsam_zoo.serving.clips import Clip, GoneError


class TestTheStore:
    @pytest.fixture
    def clip(self, film: Path, tmp_path: Path) -> Clip:
        folder = tmp_path / "clip"
        folder.mkdir()
        (folder / "video").write_bytes(film.read_bytes())
        return Clip(folder, "clip", LIMITS)

    @pytest.mark.parametrize(("idle", "stays"), [(20, True), (40, False)])
    def test_a_clip_without_a_page_goes(self, clip: Clip, tmp_path: Path, idle: int, stays: bool) -> None:
        store = ClipStore(tmp_path, LIMITS)
        store.add(clip)
        clip.used -= idle
        store.remove_idle()
        assert clip.folder.exists() is stays
        if not stays:
            with pytest.raises(GoneError):
                store.get(clip.id)

    def test_a_folder_stays_while_something_works_in_it(self, clip: Clip) -> None:
        with clip.hold():
            clip.close()
            assert clip.folder.exists()
        assert not clip.folder.exists()
        with pytest.raises(GoneError), clip.hold():
            pass

    def test_ids_are_long_and_differ(self, clip: Clip, film: Path, tmp_path: Path) -> None:
        folder = tmp_path / "other"
        folder.mkdir()
        (folder / "video").write_bytes(film.read_bytes())
        other = Clip(folder, "clip", LIMITS)
        assert clip.id != other.id
        assert len(clip.id) == 32
