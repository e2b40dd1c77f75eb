"""The package as a whole: what importing it costs, which floor stands on which, what it never does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import minigan

ROOT = Path(minigan.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
HOME = ROOT.parent
PAGES = [
    *HOME.glob("*.md"),
    *(page for name in ("minigan", "tests", "benchmarks") for page in (HOME / name).rglob("*.md")),
]

FLOORS = [  # each stands only on those above it in this list, and on its neighbours without circles
    ("paths", "names", "extras", "console", "early", "spec", "files", "archive", "kept", "atomic"),
    ("backend", "datasets", "metrics", "environment"),
    ("nn", "objectives", "optim", "average", "codes", "priors"),
    ("gradcheck", "penalties", "vat", "limits", "two_samples"),
    ("game",),
    ("gan",),
    ("games", "samples", "inversion"),
    ("recipes", "gradient_checks", "theory", "diagnostics"),
    ("training", "runs"),
    ("evaluation", "studies", "bench", "lab", "sweeps"),
    ("cli", "commands", "__main__"),
]
PARTS = [  # each of one object, and named apart to be read apart
    ("backend.arena", "backend.reference"),
    ("backend.graph", "backend.cupy_backend"),
    ("backend.fusion", "backend.cupy_backend"),
]
FLOOR = {part: height for height, parts in enumerate(FLOORS) for part in parts}


def module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


def part(name: str) -> str:
    """The floor's name for minigan.nn.dense is nn."""
    return name.split(".")[1]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules of minigan that this one names, and whether they are loaded with it (not later, not for types only)."""
    here = module(path)
    package = here if path.name == "__init__.py" else here.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names if alias.name.split(".")[0] == "minigan"]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base.split(".")[0] != "minigan":
                continue
            named = [f"{base}.{alias.name}" for alias in node.names]
            targets = [name if name in MODULES else base for name in named if name != "minigan.__version__"]
        else:
            continue
        for target in targets:
            yield target, id(node) not in later


def test_every_module_has_a_floor() -> None:
    unknown = {part(name) for name in MODULES if name != "minigan"} - FLOOR.keys()
    assert not unknown, f"put {unknown} on a floor in this file, and in minigan/README.md"


def test_the_map_has_the_same_floors() -> None:
    """The table in minigan/README.md, whose rows are `| height | `part` `part` | in words |`, the top floor first."""
    rows = re.findall(r"^\| *(\d+) \|((?: `\w+`)+) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    table = {int(height): set(re.findall(r"`(\w+)`", parts)) for height, parts in rows}
    assert table == {height: set(parts) for height, parts in enumerate(FLOORS)}
    assert [int(height) for height, _ in rows] == list(reversed(range(len(FLOORS))))


@pytest.mark.parametrize("name", [name for name in MODULES if name != "minigan"])
def test_no_import_runs_upwards(name: str) -> None:
    for target, _ in imports(MODULES[name]):
        if target == "minigan":
            raise AssertionError(f"{name} imports the whole package, itself included")
        assert FLOOR[part(target)] <= FLOOR[part(name)], f"{name} imports {target}, which is above it"


def test_there_are_no_circles() -> None:
    """Types count: who names another in a type stands on it, but for a part that names the whole it belongs to."""
    graph = {name: {t for t, _ in imports(path) if t != name} for name, path in MODULES.items()}
    for name, targets in graph.items():
        targets -= {name.rpartition(".")[0]}  # a package's __init__ is being loaded already
        targets -= {f"minigan.{whole}" for part, whole in PARTS if name == f"minigan.{part}"}
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    inner = {name: {t for t in targets if not name.startswith(f"{t}.")} for name, targets in graph.items()}
    assert packages
    assert list(TopologicalSorter(inner).static_order())  # raises CycleError


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_minigan_loads_numpy_and_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import minigan\n"
        "print(*sorted({n.split('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    assert set(run(code).split()) - {"_distutils_hack", "sitecustomize"} == {"minigan", "numpy"}


def test_importing_minigan_says_nothing_and_touches_no_global_state() -> None:
    code = (
        "import numpy as np, warnings; warnings.simplefilter('error')\n"
        "state, errors, options = np.random.get_state()[1].tobytes(), np.geterr(), np.get_printoptions()\n"
        "import minigan\n"
        "G, D = minigan.Sequential(minigan.Dense(2, 3)), minigan.Sequential(minigan.Dense(3, 1))\n"
        "minigan.GAN(G, D).step(np.ones((4, 3)))\n"
        "assert state == np.random.get_state()[1].tobytes()\n"
        "assert errors == np.geterr() and options == np.get_printoptions()\n"
    )
    assert run(code) == ""


def test_third_parties_are_imported_only_where_they_are_used() -> None:
    """At the top of a module there is NumPy and the standard library; extras are imported inside functions."""
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top in sys.stdlib_module_names or top in ("numpy", "minigan"), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {getattr(node, "module", None) or "", *(alias.name for alias in node.names)}
            assert not names & {"pickle", "marshal", "shelve", "dill", "cloudpickle"}, ast.unparse(node)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "np.load", "numpy.load", "os.system"), ast.unparse(node)
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle":
                    assert ast.unparse(keyword.value) == "False"
                if keyword.arg == "shell":
                    assert ast.unparse(keyword.value) == "False"


def test_no_module_seeds_or_draws_from_numpys_global_generator() -> None:
    legacy = re.compile(r"np\.random\.(seed|rand|randn|randint|normal|uniform|choice|shuffle|permutation)\b")
    assert not [path.name for path in FILES if legacy.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", [*FILES, *PAGES], ids=lambda path: str(path.relative_to(HOME)))
def test_a_file_that_is_pointed_at_is_there(path: Path) -> None:
    named = re.findall(r"\b(?:minigan|tests|benchmarks)/[\w/-]+\.\w+", path.read_text("utf-8"))
    assert [name for name in named if not (HOME / name).exists()] == []


def test_the_version_is_a_version() -> None:
    from packaging.version import Version  # PEP 440

    assert str(Version(minigan.__version__)) == minigan.__version__


def test_what_is_public_exists_and_is_documented() -> None:
    assert sorted(minigan.__all__) == sorted(set(minigan.__all__))
    for name in minigan.__all__:
        assert hasattr(minigan, name)
        if name != "__version__":
            assert (getattr(minigan, name).__doc__ or "").strip(), f"{name} says nothing about itself"
    assert (ROOT / "py.typed").exists()
