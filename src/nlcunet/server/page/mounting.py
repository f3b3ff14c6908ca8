"""The page at ``/``, beside REST: Gradio behind a gate, and the page's own addresses before it."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from fastapi import FastAPI
from starlette.routing import Mount

from nlcunet.errors import ConfigError
from nlcunet.server.keys import Keys, Passes, read_secret
from nlcunet.server.page.gate import Gate
from nlcunet.server.page.routes import give_icon, make_routes
from nlcunet.server.service import Service

HEAD = """
<meta name="color-scheme" content="light dark">
<link rel="icon" type="image/svg+xml" href="page/files/icon.svg">
<link rel="stylesheet" href="page/files/page.css">
"""


def mount_page(app: FastAPI, service: Service, keys: Keys | None) -> None:
    """Add the page to an application; addresses that it has already keep precedence.

    Args:
        app: has REST already.
        service: what the page is a door to.
        keys: whoever has none of them is asked for one; nothing lets everybody in.

    Raises:
        ConfigError: Gradio is not installed, or the server's folder cannot be written.
    """
    if find_spec("gradio") is None:
        raise ConfigError("the page needs Gradio: pip install 'nlcunet[serve]', or serve without it: --no-page")
    passes = None if keys is None else Passes(keys, read_secret(service.settings.folder / "secret"))
    app.include_router(make_routes(service, passes))
    app.get("/favicon.ico", include_in_schema=False)(give_icon)  # browsers ask for it before they have seen the page
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: Gradio would call home
    with ThreadPoolExecutor(1) as thread:  # which has no event loop: Gradio would leave one open that it makes
        thread.submit(asyncio.run, _mount_gradio(app, service, asks_for_key=keys is not None)).result()
    mount = app.routes[-1]
    if not isinstance(mount, Mount):
        raise TypeError(f"Gradio must mount itself last: got {mount}")
    mount.app = Gate(mount.app, passes)


async def _mount_gradio(app: FastAPI, service: Service, *, asks_for_key: bool) -> None:
    """Gradio's application at ``/``, with all that it could do beside the page turned off."""
    import gradio

    from nlcunet.server.page.settings_form import make_blocks, make_theme

    gradio.mount_gradio_app(
        app,
        make_blocks(service, asks_for_key=asks_for_key),
        path="/",
        footer_links=[],
        run_history=False,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        allowed_paths=[],
        show_error=False,
        max_file_size=1,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=make_theme(),
        head=HEAD,
    )
