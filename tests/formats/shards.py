"""RefShapes as Ref-YouTube-VOS, in shards."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from formats.refer_youtube_vos import write_refer_youtube_vos

from refsam_zoo.commands.shard import shard
from refsam_zoo.types import Referral


def write_shards(root: Path, shapes: Sequence[Referral]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_refer_youtube_vos(Path(folder), shapes)
        shard(Path(folder), root, videos_per_shard=1, workers=1)
