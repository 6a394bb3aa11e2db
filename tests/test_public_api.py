"""The public interface: what is in it, that it is typed, documented, fast to import, and takes paths as text."""

from __future__ import annotations

import ast
import html
import inspect
import pickle
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from warm_process import WarmProcess

import refsam_zoo
import refsam_zoo.data_modules
from refsam_zoo.errors import InputError
from refsam_zoo.inference.mask_folder import MaskFolder

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "from_python.py"
REGISTRIES = {name for name in refsam_zoo.__all__ if name.isupper() and name != "LVVIS"}


def test_the_static_names_are_the_lazy_ones() -> None:
    tree = ast.parse(Path(refsam_zoo.__file__).read_text())
    static, declared = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            static |= {name.name: node.module for name in node.names if name.asname == name.name}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            declared.add(node.target.id)
    lazy = {name: module for module, names in refsam_zoo._PUBLIC.items() for name in names}
    assert declared == REGISTRIES
    assert static == {name: module for name, module in lazy.items() if name not in declared} | {
        "InputError": "refsam_zoo.errors"
    }
    assert set(lazy) | {"InputError"} == set(refsam_zoo.__all__)
    assert set(refsam_zoo.data_modules.__all__) == set(refsam_zoo._PUBLIC["refsam_zoo.data_modules"])


def test_every_name_is_there_and_hides_no_module() -> None:
    for name in refsam_zoo.__all__:
        assert getattr(refsam_zoo, name) is not None
        assert not inspect.ismodule(getattr(refsam_zoo, name))
    assert set(refsam_zoo.__all__) < set(dir(refsam_zoo))


def test_a_wrong_name_suggests_the_nearest() -> None:
    with pytest.raises(AttributeError, match="module 'refsam_zoo' has no attribute 'creat_model'"):
        refsam_zoo.creat_model  # noqa: B018
    program = [sys.executable, "-c", "import refsam_zoo; refsam_zoo.creat_model"]
    assert "Did you mean: 'create_model'?" in subprocess.run(program, capture_output=True, text=True).stderr


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, refsam_zoo; dir(refsam_zoo); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "numpy", "lightning", "jsonargparse", "PIL"} & set(loaded)
    assert {name for name in loaded if name.startswith("refsam_zoo.")} == {"refsam_zoo.errors"}


STRICT = """
[mypy-right,wrong,revealing]
disallow_any_generics = True
disallow_subclassing_any = True
disallow_untyped_calls = True
disallow_untyped_decorators = True
warn_return_any = True
strict_equality = True
"""
"""What `--strict` adds to the package's own options."""


def strictly_typed(folder: Path, **programs: str) -> dict[str, str]:
    """Runs mypy once over users' programs, strict with them; gives what it says of each.

    With the package where `make lint` has it, and with the same options, so that what that has kept is not done again.
    """
    package = ROOT / "build" / "typing" / "refsam_zoo"
    package.mkdir(parents=True, exist_ok=True)
    for part in [*(ROOT / "src" / "refsam_zoo").iterdir(), ROOT / "data_modules"]:
        if not (package / part.name).exists():
            (package / part.name).symlink_to(part)
    for name, text in programs.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "strict.cfg").write_text((ROOT / "setup.cfg").read_text() + STRICT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", f"--config-file={folder / 'strict.cfg'}", *(f"-m{name}" for name in programs)],
        cwd=ROOT,
        env={"MYPYPATH": f"build/typing:{folder}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said = done.stdout.splitlines()
    return {name: "\n".join(line for line in said if f"/{name}.py:" in line) for name in programs}


@pytest.mark.slow
def test_a_users_program_is_typed(tmp_path: Path) -> None:
    example = EXAMPLE.read_text()
    misspelt = 'refsam_zoo.create_model(tunr="lora")\n'
    names = "\n".join(f"reveal_type(refsam_zoo.{name})" for name in refsam_zoo.__all__)
    calls = 'reveal_type(refsam_zoo.create_model())\nreveal_type(refsam_zoo.load_model("a"))\n'
    calls += 'reveal_type(refsam_zoo.evaluate("a", "mevis", "b"))\nreveal_type(refsam_zoo.TUNERS.build("lora"))\n'
    calls += 'refsam_zoo.VideoSource("a")\n'
    said = strictly_typed(
        tmp_path,
        right=example,
        wrong=example.replace("refsam_zoo.create_model", "refsam_zoo.creat_model") + misspelt,
        revealing=f"import refsam_zoo\n{calls}{names}\n",
    )
    assert said["right"] == ""
    assert 'Module has no attribute "creat_model"' in said["wrong"]
    assert 'Unexpected keyword argument "tunr" for "create_model"' in said["wrong"]
    assert ": error: " not in said["revealing"]
    revealed = re.findall(r'Revealed type is "(.*)"', said["revealing"])
    assert [name.rpartition(".")[2] for name in revealed[:4]] == ["RefSAM", "RefSAM", "Evaluation", "Tuner"]
    assert len(revealed) == 4 + len(refsam_zoo.__all__)
    assert "Any" not in revealed


def _callables() -> Iterator[tuple[str, Callable[..., object]]]:
    for name in refsam_zoo.__all__:
        value = getattr(refsam_zoo, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            for method in (vars(value).get("__init__"), *_public_methods(value)):
                if inspect.isfunction(method):
                    yield f"{name}.{method.__name__}", method


def _public_methods(cls: type) -> Iterator[object]:
    for name, value in vars(cls).items():
        if not name.startswith("_"):
            yield getattr(value, "__func__", value)


def test_every_path_may_be_text() -> None:
    paths, refused = 0, []
    for name, function in _callables():
        for parameter in inspect.signature(function).parameters.values():
            words = re.findall(r"\w+", str(parameter.annotation))
            paths += "Path" in words
            if "Path" in words and not {"str", "Callable"} & set(words):  # what a callable is given is ours
                refused.append(f"{name}({parameter.name}: {parameter.annotation})")
    assert not refused
    assert paths > 20


def test_every_signature_is_complete() -> None:
    for name, function in _callables():
        signature = inspect.signature(function)
        named = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
        assert all(parameter.annotation is not parameter.empty for parameter in named), name
        assert signature.return_annotation is not signature.empty, name


@pytest.mark.parametrize("kind", [str, Path])
def test_missing_files_are_named_however_they_are_given(kind: type[str] | type[Path], tmp_path: Path) -> None:
    missing = kind(tmp_path / "nowhere")
    with pytest.raises(InputError, match="nowhere"):
        refsam_zoo.load_model(missing)
    with pytest.raises(InputError, match="nowhere"):
        refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen", weights=missing)
    with pytest.raises(InputError, match="nowhere"):
        refsam_zoo.segment(missing, ["a dog"], checkpoint=missing, output=kind(tmp_path / "out"))
    with pytest.raises(InputError, match="nowhere"):
        refsam_zoo.evaluate(missing, "mevis", missing)
    with pytest.raises(InputError, match="nowhere"):
        refsam_zoo.open_video(missing)


def test_a_video_source_takes_text() -> None:
    source = refsam_zoo.VideoSource("videos/a.mp4", (0, 2))
    assert source == refsam_zoo.VideoSource(Path("videos/a.mp4"), (0, 2))
    assert source.path == Path("videos/a.mp4")
    assert pickle.loads(pickle.dumps(source)) == source


def test_data_modules_take_text(ref_shapes: Path) -> None:
    splits = refsam_zoo.RefShapes.splits(str(ref_shapes))
    assert splits.keys() == refsam_zoo.RefShapes.splits(ref_shapes).keys() >= {"train", "test"}
    assert refsam_zoo.RefShapes(str(ref_shapes)).referrals("test") == splits["test"]()
    for name in refsam_zoo.data_modules.__all__:
        data_module = getattr(refsam_zoo, name)
        if issubclass(data_module, refsam_zoo.ReferringDataModule):
            assert data_module.splits(str(ref_shapes)).keys() == data_module.splits(ref_shapes).keys()


def test_evaluate_opens_the_data_set(ref_shapes: Path, tmp_path: Path) -> None:
    referrals = refsam_zoo.RefShapes(ref_shapes).referrals("test")
    with MaskFolder(tmp_path) as folder, refsam_zoo.open_video(referrals[0].source) as reader:
        for position, frame in enumerate(referrals[0].frames):
            assert referrals[0].masks is not None
            (mask,) = referrals[0].masks.read([position], reader.size)
            folder.write(referrals[0].video_id, referrals[0].expression_id, frame, mask)
    options: Any = {"protocol": "mevis", "on_incomplete": "empty"}
    opened = refsam_zoo.evaluate(str(tmp_path), data=str(ref_shapes), **options)
    assert any(score > 0 for score in opened.scores.values())
    assert opened.markdown() == refsam_zoo.evaluate(tmp_path, data=referrals, **options).markdown()
    with pytest.raises(InputError, match="missing"):
        refsam_zoo.evaluate(tmp_path, "mevis", ref_shapes)


def test_referrals_have_no_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="split 'val' goes with the root"):
        refsam_zoo.evaluate(tmp_path, "mevis", [], split="val")


def test_the_example_of_the_start_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = textwrap.dedent(re.search(r"\n\n((?:    .*\n|\n)+)", refsam_zoo.__doc__ or "")[1])  # type: ignore[index]
    exec(code, {})
    assert capsys.readouterr().out == "(2, 48, 64)\n(2, 48, 64)\n"


def test_the_example_file_runs(warm_process: WarmProcess) -> None:
    found = warm_process.run(EXAMPLE)
    assert found.returncode == 0, found.stderr
    assert np.array(ast.literal_eval(found.stdout)).shape == (2, 2)


@pytest.mark.slow
def test_every_name_is_on_the_page_with_its_documentation(tmp_path: Path, warm_process: WarmProcess) -> None:
    done = warm_process.run(ROOT / "scripts" / "write_docs.py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "refsam_zoo.html" in (tmp_path / "index.html").read_text()
    assert [path.name for path in tmp_path.glob("*.html") if path.name != "index.html"] == ["refsam_zoo.html"]
    page = (tmp_path / "refsam_zoo.html").read_text()
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page, flags=re.DOTALL))
    assert "These names are the public interface" in html.unescape(page)
    for name in refsam_zoo.__all__:
        text = re.search(r'<div class="docstring">(.*?)</div>', sections[name], flags=re.DOTALL)
        assert text is not None, name
        assert len(text[1]) > 20, name
