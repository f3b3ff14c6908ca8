"""``nlcunet data``: from the web, a folder or a seed to pictures that a network can be trained on."""

import typer

from nlcunet.cli.data_doctor import doctor
from nlcunet.cli.data_draw import draw
from nlcunet.cli.data_fetch import fetch
from nlcunet.cli.data_pack import pack

data_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Fetch, check, pack and draw pictures to train on."
)


@data_app.callback()
def data() -> None:
    """Fetch, check, pack and draw pictures to train on."""


data_app.command("pack")(pack)


data_app.command("fetch")(fetch)
data_app.command("doctor")(doctor)
data_app.command("draw")(draw)
