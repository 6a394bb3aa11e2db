"""`refsam-zoo shard`: a data set as a few large files."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.number_types import PositiveInt, Workers


def shard(
    root: str | Path, output: str | Path, videos_per_shard: PositiveInt = 64, workers: Workers | None = None
) -> None:
    """Copies a data set into WebDataset shards, to be read from anywhere by the data module `Shards`.

    Args:
        root: Folder of the data set; which one it is is recognised from the tree.
        output: Folder to write; a split that is there already is an error, an unfinished one is written again.
        videos_per_shard: Videos (or images) in a tar file; more for images, so that a file has some hundred megabytes.
        workers: Processes; if not given, one for each processor core where there are enough pictures that starting
            them pays.

    Raises:
        InputError: The data set is not known, anything in it is wrong, or the output cannot be written.
    """
    from refsam_zoo.preparation.shard_writer import write_shards

    for line in write_shards(root, output, videos_per_shard, workers):
        print(line)
