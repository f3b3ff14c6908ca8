"""``nlcunet models``: what the weights are, and ``nlcunet models publish``.

Words that are no command describe a model: ``nlcunet models``, ``nlcunet models NAME``, ``nlcunet models --json``.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from nlcunet.cli.models_publish import publish

if TYPE_CHECKING:
    from nlcunet.models.headers import WeightsHeader

DESCRIBING = "describe"


class ModelsGroup(TyperGroup):
    """A group with one command that needs no name: it takes all words that do not begin with another command."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the group, or at once that of the nameless command."""
        if args and args[0] in self.commands and args[0] != DESCRIBING:
            return super().make_context(info_name, args, parent, **extra)
        return self.commands[DESCRIBING].make_context(info_name, args, parent, **extra)


def describe_models(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Describe this model: name, file, folder, or hf://user/name.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the headers as JSON.")] = False,
) -> None:
    """List the models that come with the package, or describe one in full.

    To publish one, on the Hugging Face Hub too: `nlcunet models publish --help`.
    """
    import json

    from nlcunet.models.headers import embedded_models, find_header

    headers = [find_header(known) for known in ([name] if name is not None else embedded_models())]
    if as_json:
        values = [header.model_dump(mode="json") for header in headers]
        typer.echo(json.dumps(values if name is None else values[0], indent=2, ensure_ascii=False))
        return
    if name is not None:
        typer.echo("\n".join(describe(headers[0])))
        return
    for header in headers:
        typer.echo(summarise(header))
    typer.echo("bicubic-x2 … bicubic-x8: bicubic enlargement for comparison, no weights")


models = typer.Typer(cls=ModelsGroup, add_completion=False, rich_markup_mode=None, help="Describe and publish models.")
models.command(DESCRIBING, hidden=True)(describe_models)
models.command("publish")(publish)


def summarise(header: "WeightsHeader") -> str:
    """One line on one model."""
    scores = [f"{name} {values['psnr_y']:.2f} dB" for name, values in header.scores.items() if "psnr_y" in values]
    training = [f"trained on {header.degradation} blur"] if header.degradation else []
    partner = [f"GAN weights, --strength mixes with {header.fidelity_weights}"] if header.fidelity_weights else []
    facts = [f"×{header.scale}", f"{header.parameters:,} parameters", header.licence, *training, *partner, *scores]
    return f"{header.name}: {', '.join(facts)}"


def describe(header: "WeightsHeader") -> list[str]:
    """All that a header says, a line per fact."""
    facts = {
        "name": header.name,
        "architecture": header.architecture,
        "scale": f"×{header.scale}",
        "parameters": f"{header.parameters:,}",
        "licence": header.licence,
        "undoes": header.degradation,
        "mixes with": f"{header.fidelity_weights} (--strength 0 is that one)" if header.fidelity_weights else "",
        "training": f"{header.steps:,} steps, {header.patches:,} patches, {header.hours:g} hours"
        if header.steps
        else "",
        "date": header.date,
        "tiles": f"sides in multiples of {header.size_multiple}, overlap {header.tile_overlap}",
        "config": ", ".join(f"{key}={value}" for key, value in header.config.items()),
    }
    lines = [f"{key:<14}{value}" for key, value in facts.items() if value]
    lines += [f"{'data':<14}{source.name}, {source.pictures:,} pictures, {source.licence}" for source in header.data]
    return lines + [f"{'score':<14}{name}: {_score(values)}" for name, values in header.scores.items()]


def _score(values: dict[str, float]) -> str:
    return ", ".join(f"{measure} {value:g}" for measure, value in values.items())
