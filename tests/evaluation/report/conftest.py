"""Records of drawn pictures with kept files, and pages that are made of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from nlcunet.data.drawn.pictures import draw_picture
from nlcunet.degradations.pipeline import apply_records
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.records import PairRecord, Records, SetFacts, SystemFacts, write_records
from nlcunet.evaluation.report.inputs import Options, read_inputs
from nlcunet.evaluation.report.page import make_page
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.tensors import round_to_8bit

KINDS = ("text", "curves", "grids", "hair", "halftones", "facades")


def bicubic(low_res, scale):
    return resize_bicubic(low_res, scale * low_res.shape[-2], scale * low_res.shape[-1])


def sharpened(low_res, scale):
    """Undoes some of the blur: a stand-in for a network."""
    large = bicubic(low_res, scale)
    soft = bicubic(resize_bicubic(large, low_res.shape[-2] // 2, low_res.shape[-1] // 2), 2 * scale)
    return large + 0.6 * (large - soft)


def grey(low_res, scale):
    return torch.full_like(bicubic(low_res, scale), 0.5)


SYSTEMS = {
    "bicubic": (bicubic, {"architecture": "Bicubic", "parameters": 0}),
    "sharpened": (
        sharpened,
        {
            "sha256": "5a" * 32,
            "source": "sharpened.safetensors",
            "architecture": "NLCUnet",
            "parameters": 1_580_000,
            "cost_size_px": 128,
            "gflop": 8.6,
            "seconds": 0.19,
            "peak_mib": 71.0,
            "machine": "a test",
        },
    ),
    "grey": (grey, {"cost_size_px": 128, "gflop": 0.5, "seconds": 0.01, "machine": "a test"}),
}


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (round_to_8bit(image) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    write_picture(Picture(pixels=pixels), path)


@lru_cache
def draw(number, size_px):
    return draw_picture(KINDS[number % len(KINDS)], number, size_px).permute(2, 0, 1).double() / 255


@lru_cache(maxsize=1024)
def enlarge(number, size_px, scale, record, system):
    """Truth, input and output of one pair; made once for all tests."""
    side = size_px - size_px % scale
    truth = draw(number, size_px)[:, :side, :side]
    low_res = apply_records(truth[None], [record])
    return truth, low_res[0], SYSTEMS[system][0](low_res, scale)[0]


@pytest.fixture
def make_records(tmp_path) -> Callable[..., Path]:
    """Writes a records file of small drawn pictures, with or without kept files; returns its path."""

    def make(
        *,
        images: int = 3,
        systems: tuple[str, ...] = ("bicubic", "sharpened"),
        name: str = "drawn",
        protocol: str = "gaussian8",
        scale: int = 4,
        kernels: int = 2,
        size_px: int = 96,
        keep: bool = False,
        names: tuple[str, ...] = (),
        measures: tuple[str, ...] = ("psnr_y", "ssim_y"),
        file: str = "records.jsonl",
    ) -> Path:
        chosen, scores = find_protocol(protocol, scale), find_measures(measures)
        folder = Path("kept") / f"{name}-{protocol}-{scale}"
        pairs = []
        for number in range(images):
            image = names[number] if names else f"picture{number}.png"
            numbered = chosen.records(image)
            for index, record in numbered[:: max(1, len(numbered) // kernels)][:kernels]:
                for system in systems:
                    truth, low_res, output = enlarge(number, size_px, scale, record, system)
                    files = {
                        "high_res_file": (folder / "HR" / f"{number}.png", truth),
                        "low_res_file": (folder / "LR" / f"{number}_k{index}.png", low_res),
                        "output_file": (folder / system / f"{number}_k{index}.png", output),
                    }
                    if keep:
                        for path, picture in files.values():
                            save(picture, tmp_path / path)
                    pairs.append(
                        PairRecord(
                            set=f"{name} {protocol} x{scale}",
                            system=system,
                            image=image,
                            kernel_index=index,
                            degradation=record.to_dict(),
                            low_res_sha256="0" * 64,
                            measures={one.name: float(one.score(output, truth, low_res, record)) for one in scores},
                            **{key: str(path) if keep else "" for key, (path, _) in files.items()},
                        )
                    )
        facts = SetFacts(
            name=name,
            protocol=protocol,
            version=1,
            scale=scale,
            description=chosen.description(),
            images=images,
            pairs=len(pairs) // len(systems),
            manifest_sha256="ab" * 32,
        )
        told = tuple(SystemFacts(name=one, system_kind="network", scale=scale, **SYSTEMS[one][1]) for one in systems)
        path = tmp_path / file
        write_records(path, Records(sets=(facts,), systems=told, pairs=tuple(pairs)))
        return path

    return make


@dataclass
class Table:
    """What a table says."""

    caption: str = ""
    heads: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    best: list[str] = field(default_factory=list)


class Read(HTMLParser):
    """A page taken apart: tables, headings, links, pictures, text; every element must be closed as it was opened."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.titles: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self._class = ""
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.targets += [values["href"]] if "href" in values else []
        if tag == "img":
            self.images.append(values)
        if tag == "table":
            self.tables.append(Table())
        if tag == "tr":
            self.tables[-1].rows.append([])
        if tag in {"td", "th"}:
            self.tables[-1].rows[-1].append("")
            self._class = values.get("class") or ""
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if "script" in self.open or "style" in self.open:
            return
        if "title" in self.open and "svg" in self.open:
            self.titles.append(data)
            return
        self.text += data
        if "caption" in self.open:
            self.tables[-1].caption += data
        elif {"td", "th"} & set(self.open):
            self.tables[-1].rows[-1][-1] += data
            if "best" in self._class.split():
                self.tables[-1].best.append(data)


@pytest.fixture
def make_report() -> Callable[..., str]:
    """The page of some records files, as text."""

    def make(*paths: Path, **options) -> str:
        return make_page(read_inputs(paths), Options(**options)).markup

    return make


@pytest.fixture
def read() -> Callable[[str], Read]:
    """Takes a page apart."""
    return Read
