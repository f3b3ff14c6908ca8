"""Behind a proxy: whose word is taken, and everything below a path, also behind a real nginx."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from urllib.parse import urljoin

import pytest
import uvicorn
from fastapi.testclient import TestClient

from nlcunet.errors import ConfigError
from nlcunet.server.app import make_app
from nlcunet.server.proxies import read_networks, read_root_path
from nlcunet.server.run import bind

from .conftest import form, picture_bytes


@pytest.fixture
def start_from(make_settings):
    """Starts a server whose requests come from an address."""
    clients = []

    def start(address, **changes):
        app = make_app(make_settings(**changes))
        clients.append(TestClient(app, base_url="http://localhost", client=(address, 1234)))
        return clients[-1].__enter__()

    yield start
    for client in clients:
        client.__exit__(None, None, None)


def owner_of(client, **headers):
    """Whose a picture is that comes with such headers."""
    answer = client.post("/v1/upscale", files=form(), data={"wait": "0"}, headers=headers)
    assert answer.status_code == 202, answer.text
    return client.app.state.service.find(answer.json()["id"]).owner


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.9"])
def test_nobody_is_believed_about_others(start_from, address):
    client = start_from(address, proxies=("10.0.0.1",))
    assert owner_of(client, **{"X-Forwarded-For": "8.8.8.8"}) == f"address {address}"


@pytest.mark.parametrize(
    ("told", "owner"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("8.8.8.8, 10.2.3.4", "8.8.8.8"),
        ("6.6.6.6, 8.8.8.8, 10.2.3.4", "8.8.8.8"),
        ("8.8.8.8:5123", "8.8.8.8"),
        ("[2001:db8::1]:5123", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.2.3.4", "10.2.3.4"),
        ("unknown", "unknown"),
        ("", "10.0.0.1"),
    ],
)
def test_a_known_proxy_tells_who_its_client_is(start_from, told, owner):
    client = start_from("10.0.0.1", proxies=("10.0.0.0/8", "::1"))
    assert owner_of(client, **{"X-Forwarded-For": told}) == f"address {owner}"


def test_a_proxy_without_the_header_is_its_own_client(start_from):
    assert owner_of(start_from("10.0.0.1", proxies=("10.0.0.1",))) == "address 10.0.0.1"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_jobs_are_not_listed_through_a_proxy_that_is_not_known(start_from, header):
    client = start_from("127.0.0.1")
    owner_of(client)
    assert len(client.get("/v1/jobs").json()) == 1
    answer = client.get("/v1/jobs", headers={header: "8.8.8.8"})
    assert (answer.status_code, answer.json()["error"]) == (403, "unknown_proxy")


@pytest.mark.parametrize("prefix", ["", "/sr"])
def test_links_lead_back_whether_the_proxy_leaves_the_path_out_or_not(start_from, prefix):
    client = start_from("127.0.0.1", root_path="/sr")
    answer = client.post(f"{prefix}/v1/upscale", files=form(), data={"wait": "0"})
    job = answer.json()
    assert answer.headers["location"] == job["links"]["self"] == f"/sr/v1/jobs/{job['id']}"
    assert client.get(job["links"]["self"]).json()["id"] == job["id"]
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/sr"}]
    assert client.get(f"{prefix}/v1/nothing").json()["error"] == "not_found"


@pytest.mark.parametrize(
    ("text", "path"), [("/sr", "/sr"), ("sr/", "/sr"), ("", ""), ("/", ""), ("/a/b.c~", "/a/b.c~")]
)
def test_paths_are_read(text, path):
    assert read_root_path(text) == path


@pytest.mark.parametrize("text", ["/a b", "http://host/sr", "/a//b", "/sr?x", "/ü"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ConfigError, match="--root-path must be a path"):
        read_root_path(text)


@pytest.mark.parametrize("proxy", ["nginx", "*", "10.0.0.0/99", ""])
def test_what_is_no_address_is_refused(proxy):
    with pytest.raises(ConfigError, match="--proxy must be an address"):
        read_networks([proxy])


NGINX = """
daemon off; pid {folder}/pid; error_log stderr; user root; worker_processes 1;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto https;
  server {{ listen 127.0.0.1:{leaves_out}; location /sr/ {{ proxy_pass http://127.0.0.1:{port}/; }} }}
  server {{ listen 127.0.0.1:{keeps}; location /sr {{ proxy_pass http://127.0.0.1:{port}; }} }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def behind_nginx(make_settings, tmp_path):
    """Ports of a real nginx that leaves the path out, and of one that keeps it, before a server with its page."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    app = make_app(make_settings(has_page=True, root_path="/sr", proxies=("127.0.0.1",)))
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, proxy_headers=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    ports = {"leaves_out": free_port(), "keeps": free_port()}
    (tmp_path / "conf").write_text(NGINX.format(folder=tmp_path, port=listener.getsockname()[1], **ports))
    process = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "conf")], stderr=subprocess.PIPE)
    for port in ports.values():
        wait_for(port, process)
    yield ports
    process.terminate()
    process.communicate(timeout=30)
    server.should_exit = True
    thread.join()


def wait_for(port, process, seconds=20.0):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


def ask(port, method, path, body=None, **headers):
    """Through nginx, from another address than nginx has."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=("127.0.0.2", 0))
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer, data


@pytest.mark.parametrize("kind", ["leaves_out", "keeps"])
def test_a_server_below_a_path_works_behind_nginx(behind_nginx, kind):
    port = behind_nginx[kind]
    answer, data = ask(port, "POST", "/sr/v1/upscale?wait=0", picture_bytes(), **{"X-Forwarded-For": "6.6.6.6"})
    job = json.loads(data)
    assert answer.status == 202
    assert ask(port, "GET", answer.headers["Location"])[0].status == 200
    assert [one["id"] for one in json.loads(ask(port, "GET", "/sr/v1/jobs")[1])] == [job["id"]]

    page = f"https://127.0.0.1:{port}/sr/"
    answer, data = ask(port, "GET", "/sr/")
    text = data.decode()
    assert answer.status == 200
    named = re.findall(r'(?:href|src)="([^"]+)"', text)
    assert {"page/files/page.css", "page/files/page.js"} <= set(named)
    for address in named:
        assert ask(port, "GET", urljoin(page, address).partition(f":{port}")[2])[0].status == 200, address


def test_a_path_without_its_last_slash_leads_to_the_page(behind_nginx):
    answer, _ = ask(behind_nginx["keeps"], "GET", "/sr")
    assert answer.status == 307
    assert answer.headers["Location"] == f"https://127.0.0.1:{behind_nginx['keeps']}/sr/"
