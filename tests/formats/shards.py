"""RefShapes as Ref-YouTube-VOS, in shards."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from formats.refer_youtube_vos import write_refer_youtube_vos

from refsam_zoo.preparation import shard_writer
from refsam_zoo.types import Referral


def write_shards(root: Path, shapes: Sequence[Referral]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_refer_youtube_vos(Path(folder), shapes)
        list(shard_writer.write_shards(folder, root, videos_per_shard=1, workers=1))
