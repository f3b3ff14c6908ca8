"""The workflow of a release and its page."""

import re

import pytest
import yaml

from .test_wheel import ROOT


@pytest.fixture
def workflow():
    return yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))


def test_a_tag_starts_it(workflow):
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads "on" as true


def test_only_the_step_that_publishes_gets_a_right_and_nothing_secret(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert "permissions" not in workflow["jobs"]["build"]
    assert "secrets." not in str(workflow)


def test_nothing_is_published_that_was_not_built_and_checked(workflow):
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert publish["needs"] == "build"
    commands = "\n".join(step.get("run", "") for step in build["steps"])
    places = [commands.index(text) for text in ("-m build", "twine check --strict", "install_wheel.py")]
    assert places == sorted(places)
    for script in re.findall(r"(?:src|tests)/[\w/]+\.py", commands):
        assert (ROOT / script).is_file(), script
    assert [step["uses"].partition("@")[0] for step in publish["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]


def test_the_page_names_files_that_are_there():
    text = (ROOT / "docs/releasing.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:\.github|src|tests|docs|container)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name
