"""The promises the repository makes about itself: sizes, layers, tests, documents, locks."""

import ast
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import transcriber
from transcriber.settings import Settings

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "services" / "transcriber"
STACKS = (ROOT / "stacks", ROOT / "policies", ROOT / "bootstrap")
TESTS = ROOT / "tests"

MODULE_LINES = 300
FUNCTION_LINES = 40
PARAMETERS = 6

# What may be larger, and why: "path" for a module, "path:function" for a function.
LARGER: dict[str, str] = {}

# Modules that are tested under another name: "path of the module": "path of the test, and why".
TESTED_AS: dict[str, str] = {
    "services/transcriber/endpoints/uploads.py": "tests/unit/test_endpoints_jobs.py, through the routes that take them",
    "services/transcriber/hypercorn_http.py": "tests/service/test_transport.py, its rows about requests",
    "services/transcriber/hypercorn_tcp.py": "tests/service/test_transport.py, its rows about connections",
}

# Modules that are in no layer of the import contracts, and why.
UNLAYERED = {
    "transcriber.client": "apart: imports nothing of ours, has its own contracts",
}


def _files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file that belongs to the repository."""
    ignored = {".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line)}
    for path in sorted(folder.iterdir()):
        if any(path.match(pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _module(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = list(_files())
MODULES = [path for path in FILES if path.is_relative_to(SOURCE) and path.suffix == ".py"]
INFRASTRUCTURE = [path for path in FILES if path.suffix == ".py" and any(map(path.is_relative_to, STACKS))]
TEST_FILES = [path for path in FILES if path.is_relative_to(TESTS) and path.suffix == ".py"]
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]
MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function))


def _code_lines(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def _function_lines(function: Function, source: list[str]) -> int:
    """Lines of a function that are not blank; its docstring and decorators do not count."""
    documentation = function.body[0] if ast.get_docstring(function) is not None else None
    skipped = range(documentation.lineno, (documentation.end_lineno or 0) + 1) if documentation else range(0)
    numbers = range(function.lineno, (function.end_lineno or function.lineno) + 1)
    return sum(1 for number in numbers if number not in skipped and source[number - 1].strip())


def _parameters(function: Function) -> int:
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return sum(name not in ("self", "cls") for name in names)


# Sizes


@pytest.mark.parametrize("path", [*MODULES, *INFRASTRUCTURE], ids=_name)
def test_module_is_small(path: Path) -> None:
    if _name(path) not in LARGER:
        assert _code_lines(path.read_text()) <= MODULE_LINES


@pytest.mark.parametrize("path", [*MODULES, *INFRASTRUCTURE], ids=_name)
def test_functions_are_small(path: Path) -> None:
    source = path.read_text().splitlines()
    large = {
        name: size
        for function in _functions(path)
        if (name := f"{_name(path)}:{function.name}") not in LARGER
        and (
            (size := (_function_lines(function, source), _parameters(function)))[0] > FUNCTION_LINES
            or size[1] > PARAMETERS
        )
    }
    assert large == {}, "non-blank lines, parameters"


def test_larger_ones_still_exist() -> None:
    for name in LARGER:
        path, _, function = name.partition(":")
        assert (ROOT / path).is_file()
        assert not function or function in {found.name for found in _functions(ROOT / path)}


def test_names_say_what_is_inside() -> None:
    vague = {"utils", "util", "helpers", "common", "base", "manager", "misc"}
    assert [
        _name(path) for path in (*MODULES, *INFRASTRUCTURE) if vague & {*path.stem.split("_"), path.parent.name}
    ] == []


# Tests


def _test_names(module: Path) -> set[str]:
    """What a module's own test file may be called: with the package's name where two modules share one."""
    plain, full = f"test_{module.stem.strip('_')}.py", f"test_{module.parent.name}_{module.stem}.py"
    shared = module.parent != SOURCE and sum(other.stem == module.stem for other in MODULES) > 1
    return {full} if shared else {plain, full}


def _is_test_of(test: Path, module: Path) -> bool:
    suite_of_interface = test.parent.name == "contracts" and test.name == f"test_{module.stem}s.py"
    return test.name in _test_names(module) or suite_of_interface


def _has_code(path: Path) -> bool:
    """Whether a module does anything: one of docstrings, plain values, types and interfaces does not."""
    return any(not _is_interface(function) for function in _functions(path))


def _is_interface(function: Function) -> bool:
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in function.body)


@pytest.mark.parametrize("path", [path for path in MODULES if _has_code(path)], ids=_name)
def test_module_has_its_test(path: Path) -> None:
    if _name(path) not in TESTED_AS:
        assert any(_is_test_of(test, path) for test in TEST_FILES), f"none is called {' or '.join(_test_names(path))}"


@pytest.mark.parametrize("path", sorted((TESTS / "unit").rglob("test_*.py")), ids=_name)
def test_unit_test_has_its_module(path: Path) -> None:
    assert path.name in {name for module in MODULES for name in _test_names(module)}


def test_those_tested_elsewhere_are() -> None:
    for module, test in TESTED_AS.items():
        assert (ROOT / module).is_file()
        assert (ROOT / test.split(",")[0]).exists()


@pytest.mark.parametrize("path", TEST_FILES, ids=_name)
def test_test_files_are_collected(path: Path) -> None:
    tests = [function.name for function in _functions(path) if function.name.startswith("test_")]
    assert bool(tests) == path.name.startswith("test_"), "pytest finds tests in test_*.py, and nothing else is named so"


@pytest.mark.parametrize("path", TEST_FILES, ids=_name)
def test_tests_fake_by_hand_and_always_run(path: Path) -> None:
    if path == Path(__file__):
        return
    banned = re.compile(
        r"unittest\.mock|import mock\b|\bmocker\b|monkeypatch\.setattr|MagicMock"
        r"|mark\.(skip|skipif|xfail)|pytest\.(skip|xfail|importorskip)"
    )
    assert banned.findall(path.read_text()) == []


def test_heavy_suites_are_those_that_make_and_ci_run() -> None:
    heavy = set(re.findall(r"^HEAVY := (.*)$", MAKEFILE, re.MULTILINE)[0].split())
    options = PYPROJECT["tool"]["pytest"]["ini_options"]
    apart = {folder.removeprefix("tests/") for folder in options["norecursedirs"] if folder.startswith("tests/")}
    assert heavy == apart
    assert {f"test-{name}" for name in heavy} <= _targets()
    assert all(any((TESTS / name).glob("test_*.py")) for name in heavy)


# Layers


def test_every_module_is_in_a_layer() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    layered = {name.strip(" ()\n") for layer in layers for name in re.split(r"[|:]", layer)}
    known = layered | set(UNLAYERED)
    homeless = {
        name
        for name in map(_module, MODULES)
        if name != "transcriber" and not any(name == other or name.startswith(f"{other}.") for other in known)
    }
    packages = {_module(path): path for path in MODULES if path.name == "__init__.py"}
    assert homeless - set(packages) == set()
    assert [name for name, path in packages.items() if _imports(path) and name not in UNLAYERED] == []


def test_service_and_infrastructure_do_not_know_each_other() -> None:
    foreign = {
        "services": r"(stacks|policies|bootstrap)\b",
        "stacks": r"(transcriber|bootstrap)\b",
        "policies": r"(transcriber|bootstrap)\b",
        "bootstrap": r"(transcriber|stacks|policies)\b",
    }
    for path in (*MODULES, *INFRASTRUCTURE):
        mine = path.relative_to(ROOT).parts[0]
        assert [line for line in _imports(path) if re.search(rf"(import|from) {foreign[mine]}", line)] == [], path


def _imports(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    return [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


# Documents


def _anchor(heading: str) -> str:
    """As the usual renderers make it."""
    text = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).strip().lower())
    return text.replace(" ", "-")


def _anchors(document: Path) -> set[str]:
    return {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_links_resolve(path: Path) -> None:
    broken: list[str] = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def _targets() -> set[str]:
    return {name for line in re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE) for name in line.split()}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_documents_name_targets_that_exist(path: Path) -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*[a-z])\b(?![-<])", path.read_text(), re.MULTILINE))
    benches = {f"bench-{script.stem}" for script in (ROOT / "bench").glob("*.py")}
    assert named - _targets() - benches == set()


def test_help_lists_every_target() -> None:
    listed = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    public = {target for target in _targets() if re.fullmatch(r"[a-z-]+", target)} - {"list-heavy"}
    assert set(re.findall(r"^  make ([a-z-]+) ", listed, re.MULTILINE)) == public


@pytest.mark.parametrize("target", ["preview", "up"])
def test_a_mistyped_environment_is_refused_before_pulumi_makes_its_stack(target: str) -> None:
    command = ["make", "--silent", target, "ENV=typo"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 2
    assert "there is no Pulumi.typo.yaml; ENV is one of dev prod." in refused.stderr
    assert not (ROOT / "Pulumi.typo.yaml").exists()


def test_changelog_has_the_version() -> None:
    versions = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == transcriber.__version__


def _settings_table() -> list[str]:
    """The rows that the documentation has for the settings, in their order."""
    rows: list[str] = []
    for setting in fields(Settings):
        limits = setting.metadata["limits"]
        bounds = [f"{limits['minimum']:,} to {limits['maximum']:,}"] if limits else []
        values = ", ".join([f"`{value}`" for value in setting.metadata["one_of"]] or bounds)
        default = f"`{setting.default}`" if setting.default not in ("", None) else ""
        rows.append(f"| `{setting.name.upper()}` | {default} | {values} | {setting.metadata['help']} |")
    return rows


def test_settings_are_documented_as_they_are() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    wanted = _settings_table()
    assert re.findall(r"^\| `[A-Z][A-Z0-9_]+` .*$", text, re.MULTILINE) == wanted, "\n".join(["should be:", *wanted])


def test_example_environment_shows_every_setting() -> None:
    text = (ROOT / ".env.example").read_text()
    shown = re.findall(r"^#([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE)
    defaults = [(field.name.upper(), field.default) for field in fields(Settings)]
    assert shown == [(name, "" if default is None else str(default)) for name, default in defaults]


# What is locked and what is committed


def _locked(name: str) -> set[str]:
    """Requirements as locked, each with its version and marker."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return {line.rstrip(" \\") for line in text.splitlines() if re.match(r"[a-zA-Z]", line)}


@pytest.mark.parametrize(("smaller", "larger"), [("server", "local"), ("local", "dev"), ("build", "dev")])
def test_what_is_deployed_is_what_is_tested(smaller: str, larger: str) -> None:
    bare = [{line.split(" ;")[0] for line in _locked(name)} for name in (smaller, larger)]
    assert bare[0] - bare[1] == set()


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=_name)
def test_locks_name_hashes_and_no_hosts(path: Path) -> None:
    text = path.read_text()
    requirements = re.split(r"\n(?=[a-zA-Z])", text.strip())
    assert all(re.match(r"[\w.-]+==\S+", item) and "--hash=sha256:" in item for item in requirements)
    assert re.findall(r"https?:|--index-url|--extra-index-url|--find-links| @ ", text) == []


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=_name)
def test_every_python_gets_the_same_versions(path: Path) -> None:
    names = Counter(line.split("==")[0] for line in _locked(path.stem))
    assert [name for name, times in names.items() if times > 1] == []


def test_locks_hold_what_is_declared() -> None:
    project = PYPROJECT["project"]
    extras, groups = project["optional-dependencies"], PYPROJECT["dependency-groups"]
    wanted = {
        "server": [*project["dependencies"], *extras["server"]],
        "local": extras["local"],
        "dev": [*extras["mic"], *(name for key, group in groups.items() if key != "stacks" for name in group)],
        "stacks": [*project["dependencies"], *groups["stacks"]],
        "build": PYPROJECT["build-system"]["requires"],
    }
    for lock, requirements in wanted.items():
        locked = {line.split("==")[0] for line in _locked(lock)}
        assert {re.split(r"[^\w.-]", item)[0].lower() for item in requirements} <= locked


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    machine = re.compile(r"(?<![\w./:])/(?:work|root|Users|tmp/w)/\w")
    guilty: list[str] = []
    for path in FILES:
        content = path.read_bytes()
        if b"\0" not in content[:4096] and machine.search(content.decode(errors="replace")):
            guilty.append(_name(path))
    assert guilty == []
