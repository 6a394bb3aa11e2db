"""With which releases of another package these tests passed; a failure names them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import pytest

TRIED = {
    "pytorch": ("torch", "2.6", "2.15.0"),
    "pytorch_lightning": ("lightning", "2.6", "2.6.6"),
    "torchmetrics_package": ("torchmetrics", "1.4", "1.9.0"),
    "jsonargparse_parser": ("jsonargparse", "4.52", "4.53.0"),
}
"""File of `private_parts` -> package, the first release tried (by `make test-lowest`) and the last one."""


@pytest.fixture(scope="session")
def tried() -> dict[str, tuple[str, str, str]]:
    return TRIED


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    file = item.path.stem.removeprefix("test_")
    if report.failed and file in TRIED:
        package, first, last = TRIED[file]
        report.sections.append(("releases", f"{package} {version(package)} is installed; tried were {first} to {last}"))
