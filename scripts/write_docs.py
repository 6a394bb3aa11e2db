"""Writes the reference of the public interface: one page with the names of `refsam_zoo.__all__`.

Usage: python scripts/write_docs.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc

import refsam_zoo


def write_docs(folder: str | Path) -> None:
    """Writes `index.html` and `refsam_zoo.html` into a folder."""
    for name in refsam_zoo.__all__:  # pdoc shows what is imported already
        getattr(refsam_zoo, name)
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc("refsam_zoo", output_directory=Path(folder))


if __name__ == "__main__":
    write_docs(sys.argv[1])
