from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from formats.catalogue import FORMATS

from refsam_zoo.clips.loading import TrainingLoader
from refsam_zoo.clips.samplers import MixingSampler
from refsam_zoo.data_modules import MeViS, Mixture, RefCOCO, ReferYouTubeVOS, Shards
from refsam_zoo.errors import InputError
from refsam_zoo.preparation.shard_writer import write_shards
from refsam_zoo.types import Referral

TreeWriter = Callable[..., Path]


def test_shares_follow_the_weights_and_every_item_comes_before_any_comes_again() -> None:
    items = [draw.item for draw in MixingSampler([10, 30], [3, 1], 4000, seed=0)]
    assert len(items) == 4000
    first, second = [item for item in items if item < 10], [item for item in items if item >= 10]
    assert 0.70 < len(first) / 4000 < 0.80
    assert sorted(first[:10]) == list(range(10))
    assert sorted(second[:30]) == list(range(10, 40))
    assert max(Counter(second).values()) - min(Counter(second).values()) <= 1


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_same_order(world: int) -> None:
    alone = list(MixingSampler([5, 9], [1, 1], 20, seed=3))
    shares = [list(MixingSampler([5, 9], [1, 1], 20, seed=3, rank=rank, world=world)) for rank in range(world)]
    assert [draw for step in zip(*shares, strict=True) for draw in step][:20] == alone


def make_parts(make_tree: TreeWriter, tmp_path: Path) -> list[ReferYouTubeVOS]:
    first = make_tree(videos={name: 3 for name in "abcd"})
    first.rename(tmp_path / "first")
    second = make_tree(videos={name: 4 for name in ("xx", "yy", "zz")})
    return [ReferYouTubeVOS(root, workers=0, holdout=0.3) for root in (tmp_path / "first", second)]


def test_batches_mix_the_parts_and_evaluation_takes_the_first(make_tree: TreeWriter, tmp_path: Path) -> None:
    parts = make_parts(make_tree, tmp_path)
    data = Mixture(parts, [1, 1], epoch_length=40, batch_size=2, workers=0)
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    seen = Counter(clip.referrals[0].video_id for batch in data.train_dataloader() for clip in batch.clips)
    expected = {referral.video_id for part in parts for referral in part.referrals("train")}
    assert set(seen) == expected
    assert 10 < sum(count for video, count in seen.items() if len(video) == 2) < 30
    evaluated = {b.clips[0].referrals[0].video_id for loader in data.test_dataloader() for b in loader}
    assert evaluated == {referral.video_id for referral in parts[0].referrals("test")}
    assert len(data.val_dataloader()) == 1
    assert data.subset_names == ["test"]


class OwnData(ReferYouTubeVOS):
    """A subclass, as somebody may write one."""


def test_protocols_belong_to_the_data_set(shapes: list[Referral], make_tree: TreeWriter, tmp_path: Path) -> None:
    root = make_tree()
    assert OwnData(root).protocol == Mixture([OwnData(root), MeViS(root)]).protocol == "ref_youtube_vos"
    assert Mixture([OwnData(root)]).referrals("val") == OwnData(root).referrals("val")
    for dataset, protocol in (("refcocog", "refcoco"), ("grefcoco", "grefcoco")):
        (tmp_path / dataset).mkdir()
        FORMATS[dataset.replace("cocog", "coco")][1](tmp_path / dataset, shapes)
        data = RefCOCO(tmp_path / dataset, dataset=dataset)  # type: ignore[arg-type]
        assert Mixture([data]).protocol == protocol
    list(write_shards(tmp_path / "grefcoco", tmp_path / "shards", workers=1))
    list(write_shards(tmp_path / "shards", tmp_path / "again", workers=1))
    split = next(path.name for path in (tmp_path / "again").iterdir())
    assert Shards(str(tmp_path / "again"), train_split=split).protocol == "grefcoco"


def test_without_weights_every_item_comes_once(make_tree: TreeWriter, tmp_path: Path) -> None:
    data = Mixture(make_parts(make_tree, tmp_path), workers=0)
    data.setup("fit")
    seen = [clip.referrals[0].video_id for batch in data.train_dataloader() for clip in batch.clips]
    assert len(seen) == 3 + 2


@pytest.mark.parametrize("done", [1, 4])
def test_it_resumes_in_the_middle_of_an_epoch(make_tree: TreeWriter, tmp_path: Path, done: int) -> None:
    parts = make_parts(make_tree, tmp_path)

    def loader() -> TrainingLoader:
        data = Mixture(parts, [1, 2], epoch_length=12, batch_size=2, workers=0, seed=5)
        data.setup("fit")
        return data.train_dataloader()

    whole = [torch.clone(batch.frames) for batch in loader()]
    interrupted = loader()
    for _ in zip(range(done), interrupted, strict=False):
        pass
    resumed = loader()
    resumed.load_state_dict(interrupted.state_dict())
    rest = list(resumed)
    assert len(rest) == 6 - done
    assert all(torch.equal(batch.frames, expected) for batch, expected in zip(rest, whole[done:], strict=True))


def test_parts_must_fit_together(tmp_path: Path) -> None:
    part, other = ReferYouTubeVOS(tmp_path), ReferYouTubeVOS(tmp_path, clip_frames=5)
    with pytest.raises(InputError, match=r"same clip_frames, not \[\(3,\), \(5,\)\]"):
        Mixture([part, other])
    for weights in ([1.0], [1.0, 0.0]):
        with pytest.raises(InputError, match="weights must be 2 positive numbers"):
            Mixture([part, part], weights)
    with pytest.raises(InputError, match="at least one part"):
        Mixture([])
