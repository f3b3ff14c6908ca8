"""``nlcunet serve``: a web page and REST."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

NETWORK = "Who may use it"


def serve(
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Listen at this address; 0.0.0.0 for every network of this machine.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen at this port; 0 picks a free one.")] = 7860,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for jobs, uploads and results.  [default: ~/.cache/nlcunet/serve]"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--model", metavar="NAME", help="Offer this model; may be repeated. By default all embedded models."
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, gpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, typer.Option(metavar="NAME", help="auto, float32, bfloat16, float16.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Number of CPU threads for all pictures together.")] = None,
    jobs_at_once: Annotated[int, typer.Option(min=1, max=64, help="Number of pictures enlarged at the same time.")] = 2,
    max_upload: Annotated[float, typer.Option(min=0.01, metavar="MIB", help="Largest upload.")] = 100.0,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="Largest picture that is accepted.")] = 50.0,
    max_output_megapixels: Annotated[float, typer.Option(min=0.001, help="Largest result.")] = 400.0,
    max_seconds: Annotated[float, typer.Option(min=1.0, help="Longest time for one picture.")] = 1800.0,
    max_connections: Annotated[
        int, typer.Option(min=1, help="Most connections at the same time, of all clients.")
    ] = 512,
    max_waiting: Annotated[int, typer.Option(min=1, help="Most pictures in the queue.")] = 64,
    max_waiting_per_client: Annotated[int, typer.Option(min=1, help="Most pictures of one client in the queue.")] = 16,
    quota: Annotated[
        float, typer.Option(min=0.01, metavar="GIB", help="Most disk space for uploads and results.")
    ] = 10.0,
    keep_hours: Annotated[float, typer.Option(min=0.001, help="Delete results after this time.")] = 24.0,
    grace: Annotated[
        float,
        typer.Option(min=0.0, metavar="SECONDS", help="Time to finish the current picture when the server stops."),
    ] = 30.0,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Require API keys; this file holds their hashes.")
    ] = None,
    add_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make a key, add it to --keys, print it, and exit.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Accept requests to this host name; * for any.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Let pages of this web site use the server.")
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Trust the X-Forwarded-For header of this proxy."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="Path at which a proxy shows the server, such as /sr.")
    ] = "",
    page: Annotated[bool, typer.Option("--page/--no-page", help="Serve the web page as well as REST.")] = True,
    is_open: Annotated[
        bool, typer.Option("--open", help="Open the page in your browser as soon as the server listens.")
    ] = False,
) -> None:
    """Serve a web page, and REST below /v1.

    Only this machine can reach the server unless you set --host. Ctrl-C stops it: the current picture is finished
    within the grace time or returns to the queue, and the queue is kept for the next start.
    """
    from nlcunet.errors import ConfigError, install_extra
    from nlcunet.files.cache import cache_folder

    if add_key is not None:
        from nlcunet.server.keys import add_key as add

        if keys is None:
            raise ConfigError("--add-key needs the file of keys: name it with --keys")
        typer.echo(add(keys, add_key))
        return
    try:
        from nlcunet.server.app import make_app
        from nlcunet.server.logs import log_to_stderr
        from nlcunet.server.proxies import read_networks, read_root_path
        from nlcunet.server.run import bind, run_server
        from nlcunet.server.settings import MEBIBYTE, ServerSettings
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"serving needs a library that is missing ({error.name}): {install_extra('serve')}"
        ) from error

    settings = ServerSettings(
        folder=(folder or cache_folder("serve")).expanduser().resolve(),
        models=tuple(model or ()),
        device=device,
        precision=precision,
        threads=threads,
        jobs_at_once=jobs_at_once,
        max_upload_bytes=round(max_upload * MEBIBYTE),
        max_pixels=round(max_megapixels * 1e6),
        max_output_pixels=round(max_output_megapixels * 1e6),
        max_job_seconds=max_seconds,
        max_connections=max_connections,
        max_waiting=max_waiting,
        max_waiting_per_client=max_waiting_per_client,
        quota_bytes=round(quota * 1024 * MEBIBYTE),
        keep_seconds=keep_hours * 3600,
        grace_seconds=grace,
        keys_file=keys,
        allowed_origins=tuple(allow_origin or ()),
        allowed_hosts=tuple(allow_host or ()),
        proxies=read_networks(proxy or ()),
        root_path=read_root_path(root_path),
        has_page=page,
    )
    listener = bind(host, port)
    log_to_stderr()
    app = make_app(settings, host=host)
    port = listener.getsockname()[1]
    typer.echo(f"http://{_in_address(host)}:{port}", err=True)
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where a browser reaches any address
    address = f"http://{_in_address(here)}:{port}/{'' if page else 'docs'}"
    run_server(app, listener, partial(_open, address) if is_open else lambda: None)


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _open(address: str) -> None:
    """Show an address in the browser; the server does not wait for it."""
    import threading
    import webbrowser

    def show() -> None:
        if not webbrowser.open(address):
            typer.echo(f"--open needs a browser: found none that could be started; open {address} yourself", err=True)

    threading.Thread(target=show, name="open", daemon=True).start()
