"""Recipes as YAML files: the embedded ones, one's own, and single values replaced on the command line."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from nlcunet.errors import ConfigError
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.paths import embedded_names, expand_home
from nlcunet.training.recipe import Recipe
from nlcunet.training.strict_yaml import check_model, parse_yaml, read_mapping


def embedded_recipes() -> tuple[str, ...]:
    """Names of the recipes inside the package."""
    return embedded_names("recipes", ".yaml")


def find_recipe(name_or_path: str | Path) -> Path:
    """The file behind an embedded recipe's name or a path."""
    embedded = Path(str(resources.files("nlcunet") / "recipes" / f"{name_or_path}.yaml"))
    path = embedded if embedded.is_file() else expand_home(name_or_path)
    if not path.is_file():
        raise ConfigError(
            f"the recipe must be a YAML file or one of {', '.join(embedded_recipes())}: found no {name_or_path}"
        )
    return path


def read_recipe(name_or_path: str | Path, changes: dict[str, Any] | None = None, *, steps: int | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        name_or_path: embedded name or YAML file.
        changes: values that replace those of the file, by dotted key, as ``{"optim.steps": 1000}``; paths in a recipe
            are taken from the working directory.
        steps: steps of the first stage; warm-up, decay and milestones keep their share of them.

    Raises:
        ConfigError: the file is missing, is no YAML, or does not describe a run.
    """
    path = find_recipe(name_or_path)
    return check_recipe(read_mapping(path), changes, path.name, steps=steps)


def check_recipe(
    content: dict[str, Any], changes: dict[str, Any] | None, name: str, *, steps: int | None = None
) -> Recipe:
    """The recipe with these values by section and key, and some of them replaced, as by ``read_recipe``.

    Raises:
        ConfigError: they do not describe a run; told with the name of what they come from.
    """
    for key, value in (changes or {}).items():
        _replace(content, key, value)
    recipe = check_model(content, Recipe, f"the recipe {name}")
    if steps is None:
        return recipe
    chosen = {key: value for key, value in vars(recipe.optim).items() if f"optim.{key}" in (changes or {})}
    return recipe.model_copy(update={"optim": recipe.optim.over_steps(steps).model_copy(update=chosen)})


def parse_setting(text: str) -> tuple[str, Any]:
    """Key and value of a ``--set`` argument, as ``optim.lr=1e-4`` or ``network.overrides.depths=[1,1,2,1,1,0]``.

    Raises:
        ConfigError: there is no ``=``, or the value is no YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set must be KEY=VALUE, as optim.lr=1e-4: got {text!r}")
    try:
        return key.strip(), parse_yaml(value)
    except ValueError as error:
        raise ConfigError(f"the value of --set {key.strip()} must be YAML: got {value!r}") from error


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe, whole or not at all, all defaults spelled out, so that it can be run again by itself.

    Raises:
        ImageWriteError: it cannot be written.
    """
    import yaml

    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_file_atomically(path, text.encode())


def recipe_schema() -> str:
    """JSON schema of recipes, for editors: completes keys, shows what they mean, marks unknown ones."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False)


def changed_keys(before: Recipe, after: Recipe) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, with both values."""
    old, new = (_flatten(recipe.model_dump(mode="json")) for recipe in (before, after))
    keys = sorted(set(old) | set(new))
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def _replace(content: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    section = content
    for depth, parent in enumerate(parents):
        if section.get(parent) is None:
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise ConfigError(f"{key} cannot be set: {'.'.join(parents[: depth + 1])} is a value, not a section")
    section[last] = value


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        nested = _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        flat.update(nested)
    return flat
