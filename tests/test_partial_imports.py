"""Packages that are imported in part are whole to everybody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from warm_process import WarmProcess

INIT = "from grocery import bill\nfrom grocery.shelf import APPLES\nTOTAL = APPLES + 1\n"
PARTLY = """
import sys
from refsam_zoo.partial_imports import without_init
with without_init("grocery", APPLES="shelf"):
    from grocery import APPLES
    from grocery.shelf import APPLES as same
    assert APPLES == same == 3
assert "grocery.bill" not in sys.modules
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package whose `__init__` imports more than is wanted."""
    package = tmp_path / "grocery"
    package.mkdir()
    files = {
        "__init__": INIT,
        "shelf": "APPLES = 3\n",
        "bill": "PAID = True\n",
        "cellar": "from grocery import TOTAL\n",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "later",
    [
        "import grocery.shelf; assert grocery.shelf.APPLES == 3; assert 'grocery.bill' not in sys.modules",
        "from grocery import TOTAL; assert TOTAL == 4",
        "import grocery; assert grocery.bill.PAID",
        "import grocery.cellar; assert grocery.cellar.TOTAL == 4 and grocery.bill.PAID",
        "import grocery\ntry: grocery.plums\nexcept AttributeError as error: assert 'plums' in str(error)",
        "from grocery import shelf, bill; assert shelf.APPLES == 3 and bill.PAID",
        "import pkgutil, grocery; assert len([*pkgutil.iter_modules(grocery.__path__)]) == 3",
    ],
)
def test_what_is_asked_for_later_is_there(later: str, folder: Path, warm_process: WarmProcess) -> None:
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{PARTLY}{later}\nprint('found')"
    done = warm_process.run("-c", code)
    assert done.stdout == "found\n", done.stderr


def test_a_package_that_is_there_already_stays_as_it_is(folder: Path, warm_process: WarmProcess) -> None:
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import grocery as first\n"
    code += "from refsam_zoo.partial_imports import without_init\nwith without_init('grocery'): import grocery\n"
    done = warm_process.run("-c", code + "print(grocery is first, grocery.TOTAL)")
    assert done.stdout == "True 4\n", done.stderr


def test_a_package_that_is_missing_is_named(warm_process: WarmProcess) -> None:
    code = "from refsam_zoo.partial_imports import without_init\nwith without_init('no_grocery'): import no_grocery"
    assert "ModuleNotFoundError: No module named 'no_grocery'" in warm_process.run("-c", code).stderr
