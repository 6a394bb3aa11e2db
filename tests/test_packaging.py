from __future__ import annotations

import ast
import configparser
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from refsam_zoo.data_modules.recognition import DATA_SETS

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {"refsam_zoo.data_modules": ROOT / "data_modules", "refsam_zoo": ROOT / "src" / "refsam_zoo"}

GROUND = ["private_parts", "errors", "lightning_later", "partial_imports", "number_types", "types", "former_names",
          "text_tables", "file_names", "output_files", "precision", "recipes", "registry"]  # fmt: skip
ROOMS: dict[str, set[str]] = {
    **{room: {"errors", "file_names", "partial_imports", "private_parts"} for room in GROUND},
    "video": set(),
    "weights": set(),
    "options": set(),
    "synthesis": {"video"},
    "annotations": {"video"},
    "clips": {"video"},
    "data_modules": {"annotations", "clips", "synthesis", "video"},
    "model": {"weights"},
    "checkpoints": {"model", "options", "weights"},
    "caching": {"model"},
    "preparation": {"annotations", "caching", "clips", "data_modules", "model", "video"},
    "calibration": set(),
    "evaluation": {"video"},
    "external_masks": {"data_modules", "evaluation"},
    "systems": {"calibration", "checkpoints", "model", "video", "weights"},
    "zoo_entries": {"registry"},
    "zoo": {"model", "systems", "zoo_entries"},
    "parameter_counts": {"model", "zoo"},
    "inference": {"systems", "video"},
    "serving": {"inference", "synthesis", "systems", "video"},
    "callbacks": {"calibration", "data_modules", "evaluation", "inference"},
    "training": {"caching", "callbacks", "checkpoints", "data_modules", "evaluation", "model", "options", "systems",
                 "weights"},
    "ablations": {"checkpoints", "inference", "model", "systems"},
    "commands": {"ablations", "caching", "calibration", "checkpoints", "data_modules", "evaluation", "external_masks",
                 "inference", "model", "options", "parameter_counts", "preparation", "serving", "synthesis", "systems",
                 "training", "video", "zoo", "zoo_entries"},
    "cli": {"commands", "options"},
    "__init__": {"calibration", "callbacks", "checkpoints", "commands", "data_modules", "evaluation", "external_masks",
                 "inference", "model", "systems", "training", "video", "zoo"},
    "__main__": {"cli"},
}  # fmt: skip
"""Room -> rooms it may import beside the ground: folders and single files of the package, from the ground up."""


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def python_files() -> list[tuple[str, Path]]:
    """Path below `refsam_zoo` and the file, for every source file."""
    inside = [
        (path.relative_to(SOURCES["refsam_zoo"]).as_posix(), path) for path in SOURCES["refsam_zoo"].rglob("*.py")
    ]
    data_modules = SOURCES["refsam_zoo.data_modules"]
    return inside + [(f"data_modules/{path.relative_to(data_modules)}", path) for path in data_modules.rglob("*.py")]


def imported_names(path: Path) -> set[str]:
    """Every module or name a file imports, wherever in it; relative imports keep their dots."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {"." * node.level + f"{node.module or ''}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("Linux", "x86_64", True),
        ("Windows", "AMD64", True),
        ("Linux", "aarch64", False),
        ("Darwin", "arm64", False),
        ("Darwin", "x86_64", False),
    ],
)
def test_decord_is_required_where_it_has_wheels(
    setup_cfg: configparser.ConfigParser, system: str, machine: str, expected: bool
) -> None:
    lines = setup_cfg["options"]["install_requires"].splitlines()
    (marker,) = [found.marker for found in map(Requirement, filter(None, lines)) if found.name == "decord"]
    assert marker is not None
    assert marker.evaluate({"platform_system": system, "platform_machine": machine}) is expected


def test_every_package_is_listed(setup_cfg: configparser.ConfigParser) -> None:
    found = {
        ".".join([name, *path.parent.relative_to(folder).parts])
        for name, folder in SOURCES.items()
        for path in folder.rglob("__init__.py")
    }
    assert set(setup_cfg["options"]["packages"].split()) == found


def test_data_modules_holds_data_sets_only() -> None:
    folder = SOURCES["refsam_zoo.data_modules"]
    shared = {"__init__", "base", "holdout", "meta_expressions", "mixture", "recognition"}
    files = {path.stem for path in folder.rglob("*.py")}
    assert {data_set.__module__.rpartition(".")[2] for data_set in DATA_SETS} == files - shared
    assert [path for path in folder.rglob("*.py") if path.parent != folder] == []


def room_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def import_graph() -> dict[str, set[str]]:
    """Every module -> the modules of the package that it imports, wherever in the file, type checking included.

    A name that a folder's `__init__` offers counts as an import of that `__init__`, not of what this imports in turn.
    """
    names = {
        f"refsam_zoo/{place}".removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for place, path in python_files()
    }
    graph: dict[str, set[str]] = {}
    for module, path in names.items():
        imported = {
            name if name in names else name.rpartition(".")[0]
            for name in imported_names(path)
            if name.split(".")[0] == "refsam_zoo"
        }
        graph[module] = {name for name in imported if name in names} - {module}
    return graph


def test_every_room_has_a_place() -> None:
    assert {room_of(module) for module in import_graph()} == set(ROOMS)


def test_rooms_import_downwards() -> None:
    order = list(ROOMS)
    upwards = [(room, below) for room in ROOMS for below in ROOMS[room] if order.index(below) >= order.index(room)]
    assert [(room, below) for room, below in upwards if room not in GROUND] == []


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    allowed = {room, *ROOMS[room], *([] if room in GROUND else GROUND), "__init__" if room == "cli" else room}
    wrong = [
        f"{module} imports {name}"
        for module, names in import_graph().items()
        for name in sorted(names)
        if room_of(module) == room and room_of(name) not in allowed
    ]
    assert wrong == []


def test_no_file_imports_itself_through_others() -> None:
    try:
        TopologicalSorter(import_graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_imports_are_absolute() -> None:
    wrong = [
        f"{place} imports {name}"
        for place, path in python_files()
        for name in imported_names(path)
        if name.startswith(".") or name.split(".")[0] == "data_modules"
    ]
    assert wrong == []


def test_version_is_the_same_everywhere(setup_cfg: configparser.ConfigParser) -> None:
    version = setup_cfg["metadata"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


IMPORT_EVERYTHING = """
import importlib, sys

folder, site_packages, *modules = sys.argv[1:]
sys.path[:] = [folder, *sys.path, site_packages]
for name in modules:
    file = importlib.import_module(name).__file__
    assert file.startswith(folder), f"{name} comes from {file}"
"""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel made of it, both of a copy of the checkout."""
    folder = tmp_path_factory.mktemp("distributions")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "checkout" / name)
    # Without isolation nothing is downloaded.
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "checkout"]
    outcome = subprocess.run(build, cwd=folder, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return folder / "dist"


@pytest.mark.slow
def test_distributions_are_complete(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"refsam_zoo/{place}" for place, _ in python_files()} <= names
    assert {"refsam_zoo/py.typed", "refsam_zoo/serving/page/index.html", "refsam_zoo/serving/page/page.js"} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"refsam_zoo"}, "one name in site-packages"

    (source,) = distributions.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "data_modules/__init__.py", "src/refsam_zoo/py.typed"} <= inside


@pytest.mark.slow
def test_wheel_imports_outside_the_checkout(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    modules = [f"refsam_zoo/{place}".removesuffix(".py").replace("/", ".") for place, _ in python_files()]
    modules = [name.removesuffix(".__init__") for name in modules if not name.endswith(".__main__")]
    # -I and -S keep the editable installation of the checkout, a .pth file, out.
    command = [sys.executable, "-I", "-S", "-c", IMPORT_EVERYTHING, str(tmp_path), sysconfig.get_path("purelib")]
    outcome = subprocess.run([*command, *modules], cwd=tmp_path, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
