import hashlib

import pytest

from nlcunet.data.fetching import debian
from nlcunet.data.fetching.debian import (
    Package,
    download_with_apt,
    fetch_package,
    has_apt,
    make_apt_root,
    own_mirrors,
    own_proxies,
    packages_at_hand,
)
from nlcunet.errors import DataError
from nlcunet.files.download import DownloadListener

DEB = b"!<arch>\nas if"


def package(**changes):
    values = {
        "name": "pictures",
        "suite": "sid",
        "pool_path": "pool/main/p/pictures/pictures_1_all.deb",
        "size_bytes": len(DEB),
        "sha256": hashlib.sha256(DEB).hexdigest(),
        "sha1": hashlib.sha1(DEB, usedforsecurity=False).hexdigest(),
    }
    return Package(**{**values, **changes})


@pytest.fixture
def _only_local(web, monkeypatch):
    monkeypatch.setattr(debian, "MIRROR", f"{web.url}/official")
    monkeypatch.setattr(debian, "SNAPSHOT", f"{web.url}/file")


def test_without_apt_there_are_no_own_settings(programs):
    assert not has_apt()
    assert own_mirrors() == ()
    assert own_proxies() is None


def test_mirrors_are_those_of_the_machines_own_sources(programs):
    programs(
        "apt-get",
        'test "$1 $2" = "indextargets --format" || exit 9\n'
        "echo http://mirror.invalid/debian/\necho http://mirror.invalid/debian\n"
        "echo http://security.invalid/debian-security/\necho https://other.invalid/debian",
    )
    assert own_mirrors() == ("http://mirror.invalid/debian", "https://other.invalid/debian")


def test_proxies_are_those_that_apt_is_told(programs):
    programs("apt-get", "")
    programs("apt-config", "echo 'Acquire::http::Proxy \"http://proxy.invalid:3128\";'")
    assert own_proxies() == {"http": "http://proxy.invalid:3128"}
    programs("apt-config", "echo 'Acquire::http::Proxy \"DIRECT\";'")
    assert own_proxies() is None


@pytest.mark.usefixtures("_only_local")
def test_a_package_comes_from_the_own_mirror_first(web, programs, tmp_path, patience):
    programs("apt-get", f"echo {web.url}/debian/")
    programs("apt-config", "")
    own = web.add("/debian/pool/main/p/pictures/pictures_1_all.deb", DEB)
    path, received = fetch_package(package(), tmp_path / "debs", patience=patience, listener=DownloadListener())
    assert (path.read_bytes(), received, len(own.seen)) == (DEB, len(DEB), 1)


@pytest.mark.usefixtures("_only_local")
def test_a_package_that_the_mirrors_have_dropped_comes_from_the_snapshots(web, programs, tmp_path, patience):
    page = web.add(f"/file/{hashlib.sha1(DEB, usedforsecurity=False).hexdigest()}", DEB)
    fetch_package(package(), tmp_path, patience=patience, listener=DownloadListener())
    assert len(page.seen) == 1


@pytest.mark.usefixtures("_only_local")
def test_without_apt_what_is_needed_is_told(web, programs, tmp_path, patience):
    with pytest.raises(DataError, match=r"HTTP 404.*other versions need apt.*put pictures_1_all\.deb into"):
        list(packages_at_hand(package(), tmp_path, patience=patience, listener=DownloadListener()))


def test_the_private_root_leaves_the_system_alone(programs, tmp_path):
    programs(
        "apt-get",
        f'case "$*" in *indextargets*) echo http://m.invalid/debian;; *) echo "$@" >> {tmp_path}/calls;; esac',
    )
    root = make_apt_root(tmp_path / "apt", "sid")
    assert (tmp_path / "calls").read_text().split() == [
        *("-q", "-c", str(tmp_path / "apt/apt.conf"), "-o", "APT::Update::Error-Mode=any", "update")
    ]
    assert (root.folder / "sources.list").read_text().endswith("http://m.invalid/debian sid main\n")
    settings = (root.folder / "apt.conf").read_text()
    for key in ("Dir::State", "Dir::State::status", "Dir::Cache", "Dir::Etc::sourcelist", "Dir::Etc::sourceparts"):
        assert f'{key} "{tmp_path}/apt/' in settings
    assert "#clear APT::Update::Post-Invoke-Success;" in settings


def test_a_newer_version_is_downloaded_by_apt_and_the_known_one_is_not(programs, tmp_path):
    programs(
        "apt-get",
        'case "$*" in\n'
        f"""*--print-uris*) echo "'http://m.invalid/p_2_all.deb' p_2_all.deb 5 SHA256:{"a" * 64}";;\n"""
        "*download*) echo newer > p_2_all.deb;;\nesac",
    )
    root = make_apt_root(tmp_path / "apt", "sid")
    assert download_with_apt(root, package(sha256="a" * 64), tmp_path / "debs") is None
    path = download_with_apt(root, package(), tmp_path / "debs")
    assert path == tmp_path / "debs/p_2_all.deb"
    assert path.read_text() == "newer\n"


def test_what_apt_says_is_told(programs, tmp_path):
    programs("apt-get", "case $* in *indextargets*) ;; *) echo 'E: no such suite' >&2; exit 100;; esac")
    with pytest.raises(DataError, match="must work: got E: no such suite"):
        make_apt_root(tmp_path / "apt", "nosuite")
