"""Files of JSON lines that lose nothing."""

import errno
import os

import pytest

from nlcunet.errors import ConfigError, DataError
from nlcunet.experiments.study.answers import Participant
from nlcunet.experiments.study.journal import Journal, read_lines


def line(number):
    return Participant(participant=f"p{number}", number=number, joined="now")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def test_lines_come_back_in_order(path):
    journal = Journal(path)
    for number in range(3):
        journal.append(line(number))
    journal.close()
    journal = Journal(path)
    journal.append(line(3))
    journal.close()
    assert read_lines(path, Participant) == tuple(line(number) for number in range(4))


def test_a_missing_file_has_no_lines(path):
    assert read_lines(path, Participant) == ()


def test_a_line_is_on_disk_before_append_returns(path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(path.read_bytes()) or real(descriptor))
    journal = Journal(path)
    journal.append(line(0))
    journal.close()
    assert synced[-1] == path.read_bytes()
    assert synced[-1].endswith(b"\n")


def test_a_line_without_its_end_was_never_confirmed_and_goes(path):
    journal = Journal(path)
    journal.append(line(0))
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"participant": "p1", "numb')
    assert read_lines(path, Participant) == (line(0),)
    journal = Journal(path)
    assert path.read_bytes() == whole
    journal.append(line(1))
    journal.close()
    assert read_lines(path, Participant) == (line(0), line(1))


def test_a_full_disk_leaves_the_file_as_it_was(path, monkeypatch):
    journal = Journal(path)
    journal.append(line(0))
    whole = path.read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    with pytest.raises(DataError, match="must take an answer: the disk is full"):
        journal.append(line(1))
    assert path.read_bytes() == whole

    def refuse(_descriptor, _data):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(DataError, match="Input/output error"):
        journal.append(line(1))
    monkeypatch.setattr(os, "write", real)
    journal.append(line(1))
    journal.close()
    assert read_lines(path, Participant) == (line(0), line(1))


def test_damage_is_named(path):
    journal = Journal(path)
    journal.append(line(0))
    journal.close()
    path.write_bytes(path.read_bytes() + b'{"participant": "p1", "number": -1, "joined": "now"}\n')
    with pytest.raises(DataError, match=r"line 2 of .*journal.jsonl must be one of this program's: number"):
        read_lines(path, Participant)


def test_two_servers_cannot_write_the_same_file(path):
    journal = Journal(path)
    with pytest.raises(ConfigError, match="served only once at a time"):
        Journal(path)
    journal.close()
    Journal(path).close()
