from __future__ import annotations

import subprocess
import sys

LIGHT = """
import sys
from refsam_zoo.private_parts.torchmetrics_package import without_functional_metrics
with without_functional_metrics():
    import lightning.pytorch
    from refsam_zoo.evaluation.metric import RegionContourMetric
print(*sorted({"scipy", "torchvision", "transformers", "torchmetrics.functional"} & set(sys.modules)))
"""


def said(program: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def test_lightning_is_imported_without_the_functional_metrics() -> None:
    assert said(LIGHT) == [""]


def test_the_metrics_are_there_when_they_are_asked_for() -> None:
    more = "import torchmetrics\nprint(torchmetrics.Metric is lightning.pytorch.core.module.Metric)\n"
    more += (
        "from torchmetrics.classification import BinaryAccuracy; print(issubclass(BinaryAccuracy, torchmetrics.Metric))"
    )
    assert said(LIGHT + more) == ["", "True", "True"]
