"""``docker compose up``: the file fits the container file, so that both start the same server."""

import json
import re

import pytest
import yaml

from .test_wheel import ROOT


@pytest.fixture
def composed():
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def container():
    return (ROOT / "Containerfile").read_text(encoding="utf-8")


def test_one_service_is_built_from_the_container_file(composed, container):
    assert list(composed["services"]) == ["nlcunet"]
    build = composed["services"]["nlcunet"]["build"]
    assert build == {"context": ".", "dockerfile": "Containerfile", "target": "cpu"}
    assert f" AS {build['target']}\n" in container


def test_the_port_is_that_of_the_server_and_only_for_this_machine(composed, container):
    port = re.search(r"^EXPOSE (\d+)$", container, re.MULTILINE)[1]
    assert composed["services"]["nlcunet"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_what_is_kept_lies_in_a_named_volume(composed, container):
    (volume,) = composed["services"]["nlcunet"]["volumes"]
    name, _, place = volume.partition(":")
    assert name in composed["volumes"]
    assert f"\nVOLUME {place}\n" in container


def test_the_health_check_is_that_of_the_container_file(composed, container):
    check = composed["services"]["nlcunet"]["healthcheck"]
    options, _, command = re.search(r"^HEALTHCHECK (.*?) \\\n  (CMD) (.*)$", container, re.MULTILINE).groups()
    assert check.pop("test") == ["CMD", *json.loads(command)]
    assert {name.replace("_", "-"): str(value) for name, value in check.items()} == dict(
        re.findall(r"--([a-z-]+)=(\S+)", options)
    )


def test_the_server_can_change_nothing_else(composed):
    service = composed["services"]["nlcunet"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - inside the container
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
