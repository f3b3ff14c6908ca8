"""YAML files that describe a run or an experiment, strictly checked: messages name the key that is wrong."""

from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from nlcunet.errors import ConfigError, did_you_mean, install_extra

Model = TypeVar("Model", bound=BaseModel)


def read_model(path: Path, model: type[Model], what: str) -> Model:
    """The content of a YAML file as a model.

    Raises:
        ConfigError: it is no YAML, or does not describe one.
    """
    return check_model(read_mapping(path), model, f"the {what} {path.name}")


def read_mapping(path: Path) -> dict[str, Any]:
    """Keys and values of a YAML file.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} must be a YAML file: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values: got {type(content).__name__}")
    return content


def check_model(content: dict[str, Any], model: type[Model], name: str) -> Model:
    """Values as a model.

    Raises:
        ConfigError: they do not describe one; every wrong key is named.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explain(problem, model) for problem in error.errors())
        raise ConfigError(f"{name} is not valid: {problems}") from error


def parse_yaml(text: str) -> Any:
    """What a YAML text holds; no key may stand twice in one section.

    Raises:
        ConfigError: PyYAML is not installed.
        ValueError: it is no YAML.
    """
    try:
        import yaml
    except ImportError as error:
        raise ConfigError(f"recipes need PyYAML: install it with {install_extra('train')}") from error

    class Loader(yaml.SafeLoader):
        """Refuses keys that stand twice in one section; YAML's own rule, which PyYAML does not check."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            if twice := sorted({key for key in keys if keys.count(key) > 1}):
                raise yaml.YAMLError(f"{', '.join(twice)} stands twice in one section")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _explain(problem: Any, model: type[BaseModel]) -> str:
    """One of pydantic's errors in a line; for an unknown key, the nearest known one."""
    location = ".".join(map(str, problem["loc"])) or "as a whole"
    if problem["type"] != "extra_forbidden":
        got = "" if problem["type"] == "value_error" else f": got {problem.get('input')!r}"
        return f"{location}: {problem['msg'].removeprefix('Value error, ').lower()}{got}"
    known = _keys_beside(problem["loc"], model)
    hint = did_you_mean(str(problem["loc"][-1]), known) or f", known are {', '.join(known)}"
    return f"{location}: unknown key{hint}"


def _keys_beside(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The keys that the section of an unknown key does have."""
    for name in location[:-1]:
        field = model.model_fields.get(str(name))
        kinds = () if field is None else _parts(field.annotation)
        model = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), model)
    return list(model.model_fields)


def _parts(annotation: Any) -> tuple[Any, ...]:
    """An annotation and all that it is made of."""
    return (annotation, *(part for inner in get_args(annotation) for part in _parts(inner)))
