"""Durations, deadlines and signals."""

import signal
import subprocess
import sys
import time

import pytest

from nlcunet.errors import ConfigError
from nlcunet.training.stopping import Stopping, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("9m", 540), ("9min", 540), ("1h30m", 5400), ("2.5h", 9000), ("1h 1m 1s", 3661)]
)
def test_durations_are_parsed(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "9", "0s", "m", "-1h", "soon", "30m1h"])
def test_impossible_durations_are_refused(text):
    with pytest.raises(ConfigError, match="a duration must be given as"):
        parse_duration(text)


def test_time_is_up_before_the_deadline_by_the_reserve():
    stop = Stopping(time.monotonic() + 100)
    assert not stop.is_due(0.0)
    assert not stop.is_due(90.0)
    assert stop.is_due(110.0)
    assert not Stopping().is_due(1e9)


SIGNALLED = """
import math, signal, sys
from nlcunet.training.stopping import stopping

number, heard = signal.Signals[sys.argv[1]], []
signal.signal(number, lambda *_: heard.append(number))
with stopping(math.inf) as stop:
    signal.raise_signal(number)
    inside = (stop.is_due(0.0), len(heard))
print(inside, len(heard))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_is_a_wish_first_and_raised_again_afterwards(name):
    command = [sys.executable, "-c", SIGNALLED, name]  # not here: the test worker has handlers of its own
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "(True, 0) 1\n"


def test_a_signal_stops_at_once_where_nothing_would_be_lost():
    stop = Stopping(is_at_once=True)
    with pytest.raises(KeyboardInterrupt):
        stop.ask(signal.SIGTERM, None)
    assert stop.signal_number == signal.SIGTERM


def test_the_second_signal_stops_at_once():
    stop = Stopping()
    stop.ask(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        stop.ask(signal.SIGINT, None)
