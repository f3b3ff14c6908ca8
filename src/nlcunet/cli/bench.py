"""``nlcunet bench``: make benchmark sets, measure systems on them, print tables, write reports and sheets."""

import typer

from nlcunet.cli.bench_hairlines import hairlines
from nlcunet.cli.bench_make import make
from nlcunet.cli.bench_report import report
from nlcunet.cli.bench_run import run
from nlcunet.cli.bench_sheets import sheets
from nlcunet.cli.bench_table import table

bench_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure models on sharp originals.")
bench_app.command("make")(make)
bench_app.command("run")(run)
bench_app.command("table")(table)
bench_app.command("report")(report)
bench_app.command("sheets")(sheets)
bench_app.command("hairlines")(hairlines)


@bench_app.callback()
def _bench() -> None:
    """Measure models on sharp originals."""
