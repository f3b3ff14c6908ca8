"""Runs `nlcunet` and Python scripts in processes that have everything imported already.

Importing PyTorch takes longer than most commands of the pages. So one process imports once, and every command is a fork
of it with the arguments, folder, environment and streams of the caller. `nlcunet` and `python` on the PATH are small
programs that ask it: a shell cannot tell the difference.

    python zygote.py SOCKET      listens until it is ended
"""

import json
import os
import runpy
import socket
import sys
from importlib import import_module
from pathlib import Path

IMPORTED_BEFORE = (
    "torch",
    "pyvips",
    "nlcunet.cli.upscale",
    "nlcunet.cli.bench",
    "nlcunet.cli.data",
    "nlcunet.cli.models",
    "nlcunet.cli.study",
    "nlcunet.data.checking.examination",
    "nlcunet.data.drawn.folder",
    "nlcunet.data.packing",
    "nlcunet.evaluation.benchmark",
    "nlcunet.evaluation.report.page",
    "nlcunet.evaluation.table",
    "nlcunet.experiments.study.assembly",
    "nlcunet.inference.batch",
    "nlcunet.inference.loading",
    "nlcunet.training.trainer",
)

ASKING = """\
#!{python} -SE
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    order = json.dumps([{program!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(asked, [b"!"], [0, 1, 2])
    asked.sendall(order)
    asked.shutdown(socket.SHUT_WR)
    forked = int(asked.recv(16) or 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: os.kill(forked, number))
    answer = asked.recv(16)
    os._exit(int(answer) if answer else 139)
"""


def write_programs(folder: Path, address: Path) -> None:
    """Puts `nlcunet` and `python` into a folder for the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for program in ("nlcunet", "python"):
        path = folder / program
        path.write_text(ASKING.format(python=sys.executable, address=str(address), program=program), encoding="utf-8")
        path.chmod(0o755)


def run(program: str, arguments: list[str]) -> None:
    """The program itself, in the fork."""
    if program == "nlcunet":
        sys.argv = ["nlcunet", *arguments]
        import_module("nlcunet.cli.app").main()
        return
    sys.argv = arguments
    sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
    runpy.run_path(arguments[0], run_name="__main__")


def serve_one(asked: socket.socket) -> int:
    """Takes the caller's streams, folder and environment, and runs."""
    _, streams, _, _ = socket.recv_fds(asked, 1, 3)
    order = b""
    while part := asked.recv(1 << 16):
        order += part
    asked.sendall(f"{os.getpid():<16}".encode())  # so that the caller can hand signals on
    program, arguments, folder, environment = json.loads(order)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate(("r", "w", "w"))
    )
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        run(program, arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as Python does at its end
        import traceback

        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Import, then fork for everyone who asks."""
    for name in IMPORTED_BEFORE:
        import_module(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        listener.settimeout(5)
        parent = os.getppid()
        while os.getppid() == parent:  # tests that were killed leave nothing behind
            try:
                asked, _ = listener.accept()
            except TimeoutError:
                continue
            if os.fork():
                asked.close()
                _reap()
                continue
            listener.close()
            code = serve_one(asked)
            sys.stdout.flush()
            sys.stderr.flush()
            asked.sendall(str(code).encode())
            os._exit(code)


def _reap() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
