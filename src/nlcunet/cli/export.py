"""``nlcunet export``: write a model in a format that other programs run."""

from typing import Annotated

import typer

from nlcunet.cli import completion

FILES = "Which file"
LOOK = "What it holds"
CHECK = "How it is checked"


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="See `nlcunet models`; a .safetensors file, or hf://user/name.",
            autocompletion=completion.MODELS,
        ),
    ] = "4x-NLCUnet-S",
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="By default the model's name in this folder.", rich_help_panel=FILES
        ),
    ] = None,
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="onnx, openvino, torch, aotinductor.", rich_help_panel=FILES)
    ] = "onnx",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="float32, float16, int8.", rich_help_panel=LOOK)
    ] = "float32",
    tile: Annotated[
        list[int] | None,
        typer.Option(
            "-t",
            "--tile",
            min=1,
            metavar="PX",
            help="Sides to verify; repeat. By default 64 and 128.",
            rich_help_panel=CHECK,
        ),
    ] = None,
    verify: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Low-resolution pictures to verify on; by default the photograph in the package.",
            rich_help_panel=CHECK,
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Low-resolution pictures that int8 measures on; by default the same one.",
            rich_help_panel=CHECK,
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(metavar="0...1", help="Mix of PSNR and GAN weights, as for upscale.", rich_help_panel=LOOK),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the file's header as JSON.", rich_help_panel=CHECK)
    ] = False,
) -> None:
    """Write a model as ONNX, OpenVINO, torch.export or AOTInductor, checked against PyTorch on real pictures.

    One file takes any batch and any tile size. Nothing is written if the pictures or the buckets of sparse attention
    differ from PyTorch's. Needs the extra 'export'.
    """
    from nlcunet.export.exporting import DEFAULT_TILES, TARGETS, ExportRequest, export_model
    from nlcunet.files.paths import expand_home
    from nlcunet.models.blending import load_mixture

    request = ExportRequest(
        to=to,
        precision=precision,
        tiles=tuple(tile or DEFAULT_TILES),
        verification=None if verify is None else expand_home(verify),
        calibration=None if calibration is None else expand_home(calibration),
    )
    loaded = load_mixture(model, strength=strength)
    mark = "" if precision == "float32" else f"-{precision}"
    path = expand_home(output or f"{loaded.header.name}{mark}{TARGETS[to].suffix}")
    facts = export_model(loaded, path, request)
    if as_json:
        typer.echo(facts.model_dump_json(indent=2))
    parity = facts.parity
    moved = f", {parity.moved_tokens:,} of {parity.tokens:,} tokens in other buckets" if parity.tokens else ""
    typer.echo(
        f"{path}: {facts.header.name}, {facts.precision}; against PyTorch on {parity.tiles} tiles: "
        f"{parity.psnr_db:.1f} dB, at most {parity.max_difference:.2g}, mean {parity.mean_difference:.2g}{moved}",
        err=True,
    )
