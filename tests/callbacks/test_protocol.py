"""`refsam-zoo test`, `validate` and `predict` with a protocol or a submission, on copies of RefShapes."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from formats.catalogue import FORMATS
from PIL import Image

from refsam_zoo.cli import main
from refsam_zoo.data_modules import JHMDBSentences
from refsam_zoo.data_modules.refer_youtube_vos import parse_refer_youtube_vos
from refsam_zoo.preparation.shard_writer import write_shards
from refsam_zoo.types import Referral

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shapes(ref_shapes: Path) -> list[Referral]:
    return parse_refer_youtube_vos(ref_shapes, "test")


def command(name: str, written: str, data: Path, run: Path, *more: object) -> list[str]:
    """The demo's model, untrained, on another data set."""
    return [
        name,
        f"--config={DEMO}",
        f"--data={FORMATS[written][0].__name__}",
        f"--data.root={data}",
        "--data.workers=0",
        "--data.text_blind=false",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={run}",
        *(str(option) for option in more),
    ]


def write(written: str, shapes: list[Referral], folder: Path) -> Path:
    folder.mkdir()
    FORMATS[written][1](folder, shapes)
    return folder


def summary(folder: Path) -> dict[str, float]:
    scores: dict[str, float] = json.loads((folder / "summary.json").read_text())["scores"]
    return scores


def test_a_submission_to_ref_youtube_vos(shapes: list[Referral], tmp_path: Path) -> None:
    data = write("refer_youtube_vos", shapes, tmp_path / "data")
    archive = tmp_path / "out.zip"
    assert main(command("test", "refer_youtube_vos", data, tmp_path / "run", f"--submission={archive}")) == 0
    assert (tmp_path / "run" / "evaluation" / "summary.json").is_file()
    check = ["evaluate", str(archive), "--protocol=ref_youtube_vos", f"--data={data}", "--check_only=true"]
    assert main(check) == 0
    asked = [referral for referral in shapes if len(referral.object_ids) == 1]
    with zipfile.ZipFile(archive) as opened:
        names = {f"Annotations/{r.video_id}/{r.expression_id}/{frame}.png" for r in asked for frame in r.frames}
        assert set(opened.namelist()) == names
        with opened.open(min(names)) as file, Image.open(file) as image:
            assert (image.size, image.mode) == ((64, 64), "L")
            assert set(np.unique(np.array(image)).tolist()) <= {0, 255}


def test_a_submission_to_mevis(shapes: list[Referral], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write("mevis", shapes, tmp_path / "data")
    shutil.copytree(data / "valid_u", data / "valid")
    (data / "valid" / "mask_dict.json").unlink()
    arguments = command("predict", "mevis", data, tmp_path / "run", f"--submission={tmp_path / 'out.zip'}")
    assert main(arguments) == 0
    check = ["evaluate", str(tmp_path / "out.zip"), "--protocol=mevis", f"--data={data}", "--check_only=true"]
    assert main(check) == 0
    with zipfile.ZipFile(tmp_path / "out.zip") as opened:
        assert len(opened.namelist()) == sum(len(referral.frames) for referral in shapes)
        assert min(opened.namelist()) == f"{shapes[0].video_id}/{shapes[0].expression_id}/{shapes[0].frames[0]}.png"
    assert main(arguments) == 2
    assert "masks is not empty" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "run" / "masks")
    assert main(arguments) == 2
    assert "out.zip' exists" in capsys.readouterr().err


def test_a_protocol_scores_as_the_evaluate_command_does(shapes: list[Referral], tmp_path: Path) -> None:
    data, run = write("jhmdb_sentences", shapes, tmp_path / "data"), tmp_path / "run"
    for name in ("test", "validate", "predict"):
        assert main(command(name, "jhmdb_sentences", data, run, "--seed_everything=3")) == 0
    options = ["--protocol=jhmdb_sentences", f"--data={data}", f"--output={tmp_path / 'scores'}"]
    assert main(["evaluate", str(run / "masks"), *options]) == 0
    tested, validated = (run / "evaluation_jhmdb_sentences" / name for name in ("test", "val"))
    assert summary(tested) == summary(validated) == summary(tmp_path / "scores")
    assert (tested / "per_image.csv").read_bytes() == (tmp_path / "scores" / "per_image.csv").read_bytes()
    assert not list(run.glob(".masks-*"))


class OwnData(JHMDBSentences):
    """A subclass, as somebody may write one."""


def test_the_protocol_belongs_to_the_data_set(shapes: list[Referral], tmp_path: Path) -> None:
    """Mixtures, shards and subclasses are scored as the data set that is in them."""
    data = write("jhmdb_sentences", shapes, tmp_path / "data")
    list(write_shards(data, tmp_path / "shards", workers=1))
    alone = {"class_path": "JHMDBSentences", "init_args": {"root": str(data), "workers": 0, "text_blind": False}}
    sharded = {"root": str(tmp_path / "shards"), "workers": 0, "text_blind": False, "holdout": 0.5}
    data_sets = {
        "mixture": {"class_path": "Mixture", "init_args": {"parts": [alone, alone], "workers": 0}},
        "shards": {"class_path": "Shards", "init_args": sharded | {"test_split": "test"}},
        "subclass": {"class_path": f"{__name__}.OwnData", "init_args": alone["init_args"]},
    }
    found = {}
    for name, data_set in data_sets.items():
        config = tmp_path / f"{name}.yaml"
        config.write_text(json.dumps({"data": data_set}))
        common = ["--trainer.enable_progress_bar=false", f"--trainer.default_root_dir={tmp_path / name}"]
        arguments = ["test", f"--config={DEMO}", f"--config={config}", *common]
        assert main(arguments) == 0
        found[name] = summary(tmp_path / name / "evaluation_jhmdb_sentences" / "test")
    assert found["mixture"] == found["shards"] == found["subclass"]
    arguments = ["validate", f"--config={DEMO}", f"--config={tmp_path / 'mixture.yaml'}", "--protocol=mevis", *common]
    assert main(arguments) == 0
    assert "jf" in summary(tmp_path / "subclass" / "evaluation_mevis" / "val")


def test_shards_of_ref_davis_say_that_they_lack_label_maps(
    shapes: list[Referral], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list(write_shards(write("ref_davis", shapes, tmp_path / "data"), tmp_path / "shards", workers=1))
    options = ["--data.test_split=val", "--data.holdout=0.5"]
    arguments = command("test", "shards", tmp_path / "shards", tmp_path / "run", *options)
    with pytest.warns(UserWarning, match="no scores by the protocol ref_davis17, which papers report: there is no PNG"):
        assert main(arguments) == 0
    assert main([*arguments, "--protocol=ref_davis17"]) == 2
    assert "there is no PNG file in" in capsys.readouterr().err


def test_label_maps_of_ref_davis(shapes: list[Referral], tmp_path: Path) -> None:
    """Two objects that are there from the first frame on stand for those of DAVIS, which all have sentences."""
    data = write("ref_davis", shapes, tmp_path / "data")
    sentences = []
    for video in sorted((data / "DAVIS" / "Annotations_unsupervised" / "480p").iterdir()):
        maps = {path: np.array(Image.open(path)) for path in sorted(video.iterdir())}
        numbers = [number for number in np.unique(next(iter(maps.values()))).tolist() if number][:2]
        for path, labels in maps.items():
            renumbered = sum((labels == number) * place for place, number in enumerate(numbers, start=1))
            Image.fromarray(np.asarray(renumbered, np.uint8)).save(path)
        sentences += [f'{video.name} {place + 1} "the thing {place}"' for place in range(len(numbers))]
    for text in (data / "davis_text_annotations").iterdir():
        text.write_text("\n".join(sentences) + "\n")
    assert main(command("test", "ref_davis", data, tmp_path / "run")) == 0
    found = summary(tmp_path / "run" / "evaluation_ref_davis17" / "test")
    assert found["jf"] == pytest.approx(np.mean([found[f"anno_{number}/jf"] for number in range(4)]))


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("fit", "--submission=out.zip", "--submission is for predict and test, not for fit"),
        ("fit", "--protocol=mevis", "--protocol is for validate and test, not for fit"),
        ("test", "--submission=out.zip", "no server takes submissions for 'ref_shapes'"),
        ("test", "--protocol=mevi", "did you mean 'mevis'"),
    ],
)
def test_wrong_options(
    name: str, option: str, message: str, ref_shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(name, "ref_shapes", ref_shapes, tmp_path, "--data.synthesis=null", option)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
