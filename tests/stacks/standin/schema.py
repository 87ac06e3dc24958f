"""What types of resources there are and what each takes and gives, read from the source of Pulumi's own SDK.

The source is read and never imported: that takes seconds and the answer is needed at every start.
"""

import ast
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .wire import UNKNOWN

_SCALARS = {"str": str, "int": (int, float), "float": (int, float), "bool": bool}


@dataclass(frozen=True)
class Property:
    """`annotation` is the SDK's type as its source writes it."""

    annotation: str
    required: bool

    @property
    def kind(self) -> str:
        """The outermost type: str, int, float, bool, list, map, or object."""
        text = re.sub(r"pulumi\.(?:Input|Output)\[|Optional\[|_builtins\.", "", self.annotation)
        if text.startswith("Sequence["):
            return "list"
        if text.startswith("Mapping["):
            return "map"
        if text.startswith("Union[str"):
            return "any"
        word = re.match(r"\w*", text)
        return word.group() if word and word.group() in _SCALARS else "object" if "Args'" in text else "any"

    @property
    def nested(self) -> str | None:
        """The class of the object, or of the objects in the list."""
        found = re.search(r"'(\w+Args)'", self.annotation)
        return found.group(1) if found else None


@dataclass(frozen=True)
class ResourceType:
    inputs: Mapping[str, Property]
    outputs: Mapping[str, str]
    """What the provider alone determines: name on the wire and type."""
    module: Path

    def problems(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What the SDK's signature does not allow: property and reason."""
        yield from _problems(self.inputs, values, self.module, "")


@cache
def sdk() -> Path:
    found = importlib.util.find_spec("pulumi_aws")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


@cache
def _classes() -> dict[str, tuple[str, str]]:
    """By type, the package that holds it and its class."""
    table = re.search(r'resource_modules="""(.*?)"""', (sdk() / "__init__.py").read_text(), re.DOTALL)
    assert table is not None
    return {
        token: (module["fqn"], name)
        for module in json.loads(table.group(1))
        for token, name in module["classes"].items()
    }


@cache
def resource_type(token: str) -> ResourceType | None:
    """None for what the SDK does not have."""
    if token not in _classes():
        return None
    package, name = _classes()[token]
    folder = sdk().joinpath(*package.split(".")[1:])
    for file in sorted(folder.glob("*.py")):
        source = file.read_text()
        if f"\nclass {name}(" in source:
            body = _class(source, name)
            arguments = re.search(r"__props__ = (\w+)\.__new__", ast.unparse(body))
            assert arguments is not None
            return ResourceType(_fields(_class(source, arguments.group(1))), _outputs(body), folder)
    return None


def _class(source: str, name: str) -> ast.ClassDef:
    """Only the class's own text is parsed: some files of the SDK have fifty thousand lines."""
    found = re.search(rf"^class {name}\b.*\n(?:[\s)].*\n|\n)*", source, re.MULTILINE)
    assert found is not None, name
    definition = ast.parse(found.group()).body[0]
    assert isinstance(definition, ast.ClassDef)
    return definition


def _functions(definition: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    return (node for node in definition.body if isinstance(node, ast.FunctionDef))


def _wire_names(definition: ast.ClassDef) -> dict[str, tuple[str, str]]:
    """By name in Python, the name on the wire and the type."""
    names: dict[str, tuple[str, str]] = {}
    for function in _functions(definition):
        getters = [node for node in function.decorator_list if "pulumi.getter" in ast.unparse(node)]
        if getters and function.returns:
            renamed = re.search(r"name='(\w+)'", ast.unparse(getters[0]))
            names[function.name] = (renamed.group(1) if renamed else function.name, ast.unparse(function.returns))
    return names


def _fields(definition: ast.ClassDef) -> dict[str, Property]:
    constructor = next(function for function in _functions(definition) if function.name == "__init__")
    arguments = constructor.args
    given = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    required = {argument.arg for argument, default in given if default is None}
    return {
        wire: Property(annotation, python in required) for python, (wire, annotation) in _wire_names(definition).items()
    }


def _outputs(definition: ast.ClassDef) -> dict[str, str]:
    """Those that the constructor sets to None whatever it is given."""
    constructor = next(function for function in _functions(definition) if function.name == "_internal_init")
    alone = set(re.findall(r"__props__\.__dict__\['(\w+)'\] = None", ast.unparse(constructor)))
    names = _wire_names(definition)
    return {names[python][0]: names[python][1] for python in alone}


@cache
def _nested_fields(module: Path, name: str) -> dict[str, Property]:
    return _fields(_class((module / "_inputs.py").read_text(), name))


def _problems(
    fields: Mapping[str, Property], values: Mapping[str, Any], module: Path, path: str
) -> Iterator[tuple[str, str]]:
    for name in fields:
        if fields[name].required and values.get(name) is None:
            yield path + name, f"Missing required property '{name}'"
    for name, value in values.items():
        if name.startswith("__") or value is None or value == UNKNOWN:
            continue
        if name not in fields:
            yield path + name, f"'{name}' is no property of it"
        else:
            yield from _value_problems(fields[name], value, module, path + name)


def _value_problems(field: Property, value: Any, module: Path, path: str) -> Iterator[tuple[str, str]]:
    kind = field.kind
    if kind in _SCALARS:
        if not isinstance(value, _SCALARS[kind]) or (kind != "bool" and isinstance(value, bool)):
            yield path, f"expected {kind}, got {type(value).__name__}"
    elif kind == "list" and not isinstance(value, list):
        yield path, f"expected a list, got {type(value).__name__}"
    elif kind in ("map", "object") and not isinstance(value, dict):
        yield path, f"expected an object, got {type(value).__name__}"
    elif field.nested:
        items = list(enumerate(value)) if isinstance(value, list) else [("", value)]
        for index, item in items:
            where = f"{path}[{index}]." if index != "" else f"{path}."
            if isinstance(item, dict):
                yield from _problems(_nested_fields(module, field.nested), item, module, where)
