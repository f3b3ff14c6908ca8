"""What only shows in a program of its own: signals, pipes that close, a full disk, and what is imported."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nlcunet.imaging.files import read_header
from nlcunet.inference.origins import FILE_NAME

Start = Callable[..., "subprocess.Popen[bytes]"]
Save = Callable[..., Path]
ON_WINDOWS = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX systems")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["upscale", "--help"], ["models", "--help"], ["train", "--help"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['nlcunet', *{arguments}]\n"
        "from nlcunet.cli.app import main\n"
        "heavy = ('torch', 'numpy', 'pyvips', 'rich')\n"
        "try:\n    main()\n"
        "finally:\n    print('HEAVY', [name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_help_lists_every_command() -> None:
    done = subprocess.run([sys.executable, "-m", "nlcunet", "--help"], capture_output=True, text=True, check=True)
    assert all(f"  {name} " in done.stdout for name in ("upscale", "models", "bench", "train"))


@ON_WINDOWS
@pytest.mark.parametrize(
    ("number", "code", "message"), [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated")]
)
def test_an_interrupt_leaves_no_half_file(
    start: Start, save: Save, tmp_path: Path, *, number: int, code: int, message: bytes
) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", 1200, 1600)
    program = start("upscale", "a.png", "b.png", "-m", "bicubic-x4", "-t", "8", "--overlap", "0", "-o", "out")
    with program:
        assert program.stderr is not None
        assert b"a.png" in program.stderr.readline()  # the first is done, so the second has begun
        time.sleep(0.2)
        program.send_signal(number)
        told = program.stderr.read()
    assert program.returncode == code
    assert message in told
    assert b"stopped: 1 of 2 pictures ready; the same command goes on with the others" in told
    assert b"Traceback" not in told
    assert {path.name for path in (tmp_path / "out").iterdir()} - {FILE_NAME} == {"a.png"}


@ON_WINDOWS
def test_a_full_disk_fails_the_picture_and_leaves_nothing(start: Start, save: Save, tmp_path: Path) -> None:
    import resource

    save(tmp_path / "in/a.png")
    save(tmp_path / "in/large.png", 100, 100)
    limit = 100_000  # bytes per file: enough for the small picture only
    program = start(
        "upscale",
        "in",
        "-m",
        "bicubic-x4",
        "-o",
        "out",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, told = program.communicate()
    assert program.returncode == 1
    assert b"large.png: failed: the target must be a file that can be written" in told
    assert {path.name for path in (tmp_path / "out").iterdir()} - {FILE_NAME} == {"a.png"}


def test_a_picture_passes_through_real_pipes(start: Start, save: Save, tmp_path: Path) -> None:
    data = save(tmp_path / "a.png").read_bytes()
    enlarged, told = start("upscale", "-", "-m", "bicubic-x4").communicate(data)
    assert read_header(enlarged).width == 120
    assert b"30\xc3\x9720" in told


@ON_WINDOWS
def test_a_reader_that_goes_away_is_no_traceback(start: Start, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 300, 300)
    program = start("upscale", "a.png", "-m", "bicubic-x4", "-o", "-")
    with program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        told = program.stderr.read()
        with contextlib.suppress(BrokenPipeError):
            program.stdin.close()  # type: ignore[union-attr]
    assert program.returncode == 1
    assert told == b""
