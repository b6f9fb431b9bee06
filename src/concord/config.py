"""From configuration to objects: strict, typed, and with errors that name the key.

A node is a mapping with `_target_`, the dotted name of a class or function. Its other keys are the constructor's
arguments; nested nodes are built first. Keys and value types are checked against the signature before anything is built.
"""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union

from concord.errors import ConfigError, nearest

ALLOWED_PACKAGES = ("concord", "torch", "lightning", "timm")
TARGET = "_target_"


def is_node(value: Any) -> bool:
    """Whether a configuration value describes an object to build."""
    return isinstance(value, Mapping) and TARGET in value


def locate(target: str, path: str) -> Callable[..., Any]:
    """The class or function that a dotted name stands for.

    Raises:
        ConfigError: for names outside the allowed packages, and for names that do not exist, with the nearest ones.
    """
    if target.split(".")[0] not in ALLOWED_PACKAGES:
        raise ConfigError(f"{path}.{TARGET}: {target} lies outside {', '.join(ALLOWED_PACKAGES)}")
    module_name, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{path}.{TARGET}: there is no module {module_name} ({error})") from None
    if not hasattr(module, name):
        raise ConfigError(f"{path}.{TARGET}: {module_name} has no {name}; {nearest(name, _public_names(module))}")
    return getattr(module, name)  # type: ignore[no-any-return]


def check(node: Mapping[str, Any], path: str, injected: Sequence[str] = ()) -> None:
    """Refuse a node, or any node inside it, whose keys or value types do not fit; nothing is built.

    Args:
        node: the configuration, plain Python values.
        path: where it stands, for messages.
        injected: names of arguments that the code will supply.

    Raises:
        ConfigError: naming the key, what is wrong, and the nearest valid names.
    """
    for inner_path, inner in nodes(node, path):
        _check_one(inner, inner_path, injected if inner is node else ())


def build(node: Mapping[str, Any], path: str, **injected: Any) -> Any:
    """Build the object that a node describes, its parts first.

    Args:
        node: a mapping with `_target_`.
        path: where it stands in the configuration, for messages.
        injected: arguments from the code. They may not stand in the configuration as well.

    Raises:
        ConfigError: for a wrong key, a wrong type, or a value that the constructor refuses.
    """
    check(node, path, tuple(injected))
    return _build(node, path, injected)


def nodes(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every node in a configuration value, itself first, with its path."""
    if is_node(value):
        yield path, value
    for key, item in _items(value):
        yield from nodes(item, f"{path}.{key}" if path else str(key))


def _build(value: Any, path: str, injected: Mapping[str, Any]) -> Any:
    if not is_node(value):
        return _rebuild(value, path)
    function = locate(value[TARGET], path)
    hints = _hints(function)
    arguments = {key: _convert(_build(item, f"{path}.{key}", {}), hints.get(key)) for key, item in value.items() if key != TARGET}
    try:
        return function(**arguments, **injected)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: {_one_line(error)}") from error


def _rebuild(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _build(item, f"{path}.{key}", {}) for key, item in value.items()}
    if isinstance(value, list):
        return [_build(item, f"{path}.{index}", {}) for index, item in enumerate(value)]
    return value


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def _check_one(node: Mapping[str, Any], path: str, injected: Sequence[str]) -> None:
    function = locate(node[TARGET], path)
    parameters = inspect.signature(function).parameters
    named = {name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    hints = _hints(function)
    for key, value in node.items():
        if key == TARGET:
            continue
        if key in injected:
            raise ConfigError(f"{path}.{key} is set by concord itself; remove it")
        if key not in named and not takes_any:
            raise ConfigError(f"{path}.{key}: no such key; {nearest(str(key), named - set(injected))}")
        if key in hints and not fits(value, hints[key]):
            raise ConfigError(f"{path}.{key}: expected {_name_of(hints[key])}, got {value!r}")
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and name not in node
        and name not in injected
    ]
    if missing:
        raise ConfigError(f"{path}.{missing[0]} is required by {node[TARGET]}")


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain configuration value can stand for an argument of this type. Types it does not know accept nodes only."""
    if annotation is Any or annotation is inspect.Parameter.empty:
        return True
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in arguments)
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in arguments)
    if origin is not None and isinstance(origin, type):
        return _fits_container(value, origin, arguments)
    if annotation is None or annotation is type(None):
        return value is None
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is Path:
        return isinstance(value, str | Path)
    if annotation in (bool, str, dict, list):
        return isinstance(value, annotation)
    return is_node(value)


def _fits_container(value: Any, origin: type, arguments: tuple[Any, ...]) -> bool:
    if is_node(value):
        return not issubclass(origin, dict | list | tuple)
    if issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(fits(item, arguments[-1]) for item in value.values())
    if not isinstance(value, list | tuple) or not issubclass(origin, Sequence):
        return False
    if issubclass(origin, tuple) and Ellipsis not in arguments:
        return len(value) == len(arguments) and all(fits(item, kind) for item, kind in zip(value, arguments, strict=True))
    return all(fits(item, arguments[0]) for item in value)


def _convert(value: Any, annotation: Any) -> Any:
    """Whole numbers become floats, lists tuples and strings paths, where only that was asked for."""
    if annotation is float and isinstance(value, int):
        return float(value)
    if annotation is Path:
        return Path(value)
    if typing.get_origin(annotation) is tuple and isinstance(value, list):
        return tuple(value)
    return value


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    target = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    try:
        return typing.get_type_hints(target)
    except NameError:
        return {}


def _name_of(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_name_of(option) for option in arguments)
    if origin is Literal:
        return "one of " + ", ".join(str(option) for option in arguments)
    if annotation is type(None):
        return "null"
    return getattr(annotation, "__name__", str(annotation)) if origin is None else str(annotation).replace("typing.", "")


def _public_names(module: types.ModuleType) -> list[str]:
    return [name for name in dir(module) if not name.startswith("_")]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
