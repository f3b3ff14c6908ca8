"""Completion in shells, and the help: one style, what is meant is told, nothing heavy is loaded."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import COMMANDS, app

BY_NAME = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
"""The shell is then named, and not that of the parent process."""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """``nlcunet`` on the path, and a home of its own."""
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "nlcunet"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nlcunet "$@"\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(*command, **variables):
    environment = os.environ | variables
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash itself is asked")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("up", ["upscale"]),
        ("upscale --de", ["--denoise", "--device"]),
        ("data fe", ["fetch"]),
        ("upscale -m au", ["auto"]),
        ("upscale --device g", ["gpu"]),
    ],
)
def test_bash_completes_after_the_installation(program, words, expected):
    run("bash", "-c", "nlcunet --install-completion; true")
    assert (program / ".bashrc").is_file()
    count = len(words.split())
    script = (
        f"source ~/.bashrc; COMP_WORDS=(nlcunet {words}); COMP_CWORD={count}; "
        'complete -p nlcunet >/dev/null && _nlcunet_completion nlcunet && printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert run("bash", "-c", script).splitlines() == expected


@pytest.mark.parametrize(
    ("shell", "mark", "variables"),
    [
        ("bash", "complete -o default -F _nlcunet_completion nlcunet", {"COMP_WORDS": "nlcunet up", "COMP_CWORD": "1"}),
        ("zsh", "#compdef nlcunet", {"_TYPER_COMPLETE_ARGS": "nlcunet up"}),
        (
            "fish",
            "complete --command nlcunet",
            {"_TYPER_COMPLETE_ARGS": "nlcunet up", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        ),
    ],
)
def test_scripts_of_all_shells_ask_and_are_answered(program, shell, mark, variables):
    assert mark in run("nlcunet", "--show-completion", shell, **BY_NAME)
    assert "upscale" in run("nlcunet", _NLCUNET_COMPLETE=f"complete_{shell}", **variables)


def help_of(*words):
    return CliRunner().invoke(app, [*words, "--help"]).stdout


def test_help_has_flags_in_groups_and_one_style():
    titles = [line for line in help_of("upscale").splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == [
        "Arguments:",
        "How large:",
        "Look:",
        "Which files:",
        "On which machine, and how fast:",
        "Output on the terminal:",
        "Options:",
    ]
    words = [[name] for name in COMMANDS] + [["bench", "run"], ["data", "doctor"], ["study", "make"], ["models"]]
    for each in words:
        text = help_of(*each)
        assert text.startswith("Usage: "), each
        assert "╭" not in text, each


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["upscal"], "there is no command 'upscal', did you mean upscale?"),
        (["xyzzy"], "there is no command 'xyzzy'\n"),
        (["data", "fetc"], "Did you mean 'fetch'?"),
        (["upscale", "--devise", "cpu"], "--device"),
    ],
)
def test_what_was_meant_is_told(words, message):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_export_without_arguments_explains_itself():
    result = CliRunner().invoke(app, ["export"])
    assert result.exit_code == 2
    assert "Usage:" in result.output
    assert "How it is checked:" in result.output
    assert not list(Path.cwd().glob("*.onnx"))
