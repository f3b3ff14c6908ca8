"""REST against its own schema, by schemathesis: every answer is one that the schema announces."""

import json
import re
import threading
from html import escape

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from nlcunet.server.app import make_app
from nlcunet.server.run import bind

from .conftest import form

ANNOUNCED = (
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.response_headers_conformance,
)


@pytest.fixture
def api_schema(make_settings):
    # no limit may be met by chance: then every order that the schema allows gets an answer to the point
    app = make_app(make_settings(max_waiting=10_000, max_waiting_per_client=10_000))
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{listener.getsockname()[1]}/openapi.json")
    server.should_exit = True
    thread.join()


NOTHING_CAN_BE_WRONG = [
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{job_id}"),
    ("GET", "/v1/jobs/{job_id}/result"),
    ("DELETE", "/v1/jobs/{job_id}"),
    ("GET", "/v1/models"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        ("POST", "/v1/upscale", GenerationMode.POSITIVE),
        ("POST", "/v1/upscale", GenerationMode.NEGATIVE),
        *[(*address, GenerationMode.POSITIVE) for address in NOTHING_CAN_BE_WRONG],
    ],
)
def test_answers_are_those_of_the_schema(api_schema, method, path, mode):
    operation = api_schema[path][method]

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def send(case):
        case.call_and_validate(checks=ANNOUNCED)

    send()


def test_the_schema_describes_every_address_with_examples_and_no_internals(client):
    told = client.get("/openapi.json").json()
    assert set(told["paths"]) == {
        "/v1/upscale",
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/result",
        "/v1/models",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    upscale = told["paths"]["/v1/upscale"]["post"]
    fields = upscale["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"file", "model", "scale", "strength", "quality", "format", "wait"} <= fields.keys()
    assert upscale["requestBody"]["content"]["multipart/form-data"]["example"]["scale"] == 4
    assert {"200", "202", "413", "415", "422", "429", "503"} <= upscale["responses"].keys()
    assert all(operation["summary"] for path in told["paths"].values() for operation in path.values())


def test_an_accepted_job_is_as_the_schema_says(client):
    answer = client.post("/v1/upscale", files=form(), data={"wait": "0"})
    told = client.get("/openapi.json").json()["components"]["schemas"]["JobFacts"]
    assert set(told["required"]) <= answer.json().keys() <= told["properties"].keys(), json.dumps(told)


def test_a_page_of_its_own_lists_every_address_without_a_script(client):
    page = client.get("/docs")
    schema = client.get("/openapi.json").json()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert f"<code>{method.upper()} {path}</code>" in page.text
            assert operation["summary"] in page.text
            assert all(f"<code>{one['name']}</code>" in page.text for one in operation.get("parameters", ()))
    fields = schema["paths"]["/v1/upscale"]["post"]["parameters"]
    text = re.sub("</?code>", "`", page.text)
    assert all(one["description"] and escape(one["description"], quote=False) in text for one in fields)
    assert "curl -f -F file=@photo.jpg -F scale=4 http://localhost/v1/upscale" in page.text
    rules = page.headers["content-security-policy"]
    assert rules.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in rules
    assert re.findall(r"<script|<link|src=|style=", page.text) == []
