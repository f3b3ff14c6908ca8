"""``nlcunet models publish``: a model as a folder for other people, and to the Hugging Face Hub."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nlcunet.hub.publishing import PublishedModel


def publish(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="See `nlcunet models`; a .safetensors file, or hf://user/name.")
    ],
    *,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="By default the model's name in this folder."),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(metavar="USER/NAME", help="Upload to this repository of the Hugging Face Hub when it is written."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the new repository private.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="With --push: propose it as a pull request.")] = False,
    no_onnx: Annotated[
        bool, typer.Option("--no-onnx", help="Leave out model.onnx, which takes a minute and the extra `export`.")
    ] = False,
    author: Annotated[
        str | None, typer.Option(metavar="NAME", help="For OpenModelDB; by default the user of --push.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a folder that was published before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a model as a folder: weights, model card, ONNX file, record for OpenModelDB, checksums.

    Texts are made from what the weights say of themselves. The ONNX file is checked against PyTorch on real pictures.
    The folder appears whole or not at all. Needs the extras 'hub' and 'export'; --push also an access token
    with the right to write (hf auth login, or HF_TOKEN).
    """
    from nlcunet.errors import ConfigError
    from nlcunet.files.paths import expand_home
    from nlcunet.hub.publishing import PublishRequest
    from nlcunet.hub.publishing import publish as write
    from nlcunet.models.fetching.repository import find_model
    from nlcunet.models.weights import find_header

    if push is None and (private or create_pr):
        raise ConfigError("--private and --create-pr say how to upload: name the repository with --push")
    request = PublishRequest(repo=push, author=author, has_onnx=not no_onnx, overwrite=overwrite)
    found = find_model(model)
    folder = expand_home(output or find_header(found).name)
    written = write(
        found, folder, request, on_export=lambda: typer.echo("exporting to ONNX; a minute or more passes", err=True)
    )
    typer.echo(_tell(written), err=True)
    address = None
    if push is not None:
        from nlcunet.hub.upload import push_to_hub

        address = push_to_hub(folder, push, private=private or None, create_pr=create_pr)
        typer.echo(f"{folder} → {address}", err=True)
    else:
        typer.echo(f"note: addresses in {folder / 'openmodeldb.json'} are to be filled in; --push knows them", err=True)
    if as_json:
        typer.echo(_as_json(written, address))


def _tell(written: "PublishedModel") -> str:
    parity = written.parity
    onnx = (
        f"; ONNX against PyTorch on {parity.tiles} tiles: {parity.psnr_db:.1f} dB, at most {parity.max_difference:.2g}"
        if parity is not None
        else ""
    )
    return f"{written.folder}: {written.header.name}, {len(written.files)} files{onnx}"


def _as_json(written: "PublishedModel", address: str | None) -> str:
    import json

    parity = None if written.parity is None else written.parity.model_dump(mode="json")
    record = {"folder": str(written.folder), "model": written.header.name, "files": written.files, "commit": address}
    return json.dumps({**record, "onnx_parity": parity}, indent=2, ensure_ascii=False)
