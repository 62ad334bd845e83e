"""A folder with a web page that recognises phones in the browser: an exported model, and onnxruntime-web to run it."""

from __future__ import annotations

import importlib.resources
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnn_mellin.atomic import atomic_directory, require_replaceable
from cnn_mellin.export.onnx_file import OnnxCheck, export_onnx, model_metadata
from cnn_mellin.extras import MissingPackageError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.models import AcousticModel

__all__ = ["RUNTIME", "RUNTIME_VERSION", "WebPage", "export_web_page"]

RUNTIME = "node_modules/onnxruntime-web"  # where npm puts it
RUNTIME_VERSION = "1.30.0"  # scripts/test_packages.sh reads it here

_WHAT = "web page of cnn-mellin export"
# File of the package -> its name on the page. Old web servers do not know .mjs as JavaScript.
_RUNTIME_FILES = {
    "dist/ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
_RUNTIME_LICENCE = "onnxruntime_licence.txt"


@dataclass(frozen=True)
class WebPage:
    """A web page that was written.

    Args:
        check: comparison of its model with the one that was exported.
        model_bytes, runtime_bytes, page_bytes: sizes of the model, of onnxruntime-web, and of all other files.
    """

    check: OnnxCheck
    model_bytes: int
    runtime_bytes: int
    page_bytes: int


def export_web_page(
    model: AcousticModel,
    extractor: FeatureExtractor,
    symbols: Sequence[str],
    out: str | Path,
    *,
    runtime: str | Path = RUNTIME,
    corpus: str | None = None,
    check_seconds: Sequence[float] = (0.31, 1.0, 2.7),
) -> WebPage:
    """Write a page that recognises phones from the microphone or a file, in the browser and without network.

    The folder holds everything that the page needs. Browsers load it from a web server, not from the disk; any server
    of files will do.

    Args:
        model: trained model.
        extractor: extractor of the features that it was trained on.
        symbols: symbols of its classes, without the blank.
        out: folder to write; an older page in it is replaced.
        runtime: folder of the npm package onnxruntime-web, of version RUNTIME_VERSION.
        corpus: name of the corpus that the model was trained on, for the page to show.
        check_seconds: lengths of the signals on which file and model are compared.

    Raises:
        MissingPackageError: onnx, onnxruntime or onnxruntime-web is not there.
        DataError: `out` exists and is not such a page, or the exported model differs from the model.
    """
    require_replaceable(out, what=_WHAT, is_own=_is_own)
    runtime = _checked_runtime(Path(runtime))
    with atomic_directory(out, what=_WHAT, is_own=_is_own) as folder:
        check = export_onnx(model, extractor, symbols, folder / "model.onnx", check_seconds=check_seconds)
        about = {**model_metadata(model, extractor, symbols), "corpus": corpus}
        (folder / "model.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
        (folder / "runtime").mkdir()
        for source, name in _RUNTIME_FILES.items():
            shutil.copyfile(runtime / source, folder / "runtime" / name)
        for part in (importlib.resources.files(__package__) / "web").iterdir():
            place = folder / "runtime" if part.name == _RUNTIME_LICENCE else folder
            (place / part.name).write_bytes(part.read_bytes())
        sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        model_bytes = sizes[folder / "model.onnx"]
        runtime_bytes = sum(size for path, size in sizes.items() if path.parent.name == "runtime")
        return WebPage(check, model_bytes, runtime_bytes, sum(sizes.values()) - model_bytes - runtime_bytes)


def _checked_runtime(folder: Path) -> Path:
    """Folder of onnxruntime-web, once its version and files are known to be right."""
    remedy = f"install it with: npm install onnxruntime-web@{RUNTIME_VERSION}, or name the folder that holds it"
    if not folder.is_dir():
        raise MissingPackageError(
            f"{folder}: does not exist; expected the npm package onnxruntime-web, which runs the model; {remedy}"
        )
    try:
        about = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        found = f"{about['name']} {about['version']}"
    except (OSError, ValueError, KeyError, TypeError):
        found = "no npm package"
    if found != f"onnxruntime-web {RUNTIME_VERSION}":
        raise MissingPackageError(f"{folder}: holds {found}; expected onnxruntime-web {RUNTIME_VERSION}; {remedy}")
    for name in _RUNTIME_FILES:
        if not (folder / name).is_file():
            raise MissingPackageError(f"{folder}: lacks {name}; {remedy}")
    return folder


def _is_own(folder: Path) -> bool:
    """True for a folder that `export_web_page` wrote."""
    return all((folder / name).is_file() for name in ("index.html", "recogniser.js", "model.json", "model.onnx"))
