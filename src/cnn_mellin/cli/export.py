"""`cnn-mellin export`: export a trained model for other programs, or as a web page."""

from __future__ import annotations

import argparse
import shlex

from cnn_mellin.cli.model_input import feature_extractor_of
from cnn_mellin.errors import SettingsError
from cnn_mellin.export import OnnxCheck, export_onnx, export_web_page
from cnn_mellin.export.web_page import RUNTIME, RUNTIME_VERSION
from cnn_mellin.output_place import require_apart, require_output_file
from cnn_mellin.training import load_model

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Export the model and check the file."""
    if (arguments.out is None) == (arguments.web is None):
        raise SettingsError("export: pass either OUT.onnx, or --web DIR for a page (DIR/model.onnx is the same file)")
    if arguments.web is not None:
        return _run_web(arguments)
    for name in ("runtime", "corpus"):
        if getattr(arguments, name) is not None:
            raise SettingsError(f"--{name}: belongs to --web; leave it out, or pass --web DIR instead of OUT.onnx")
    if not arguments.out.parent.is_dir():
        raise SettingsError(f"{arguments.out}: its folder does not exist; make it first")
    require_output_file(arguments.out, "onnx", arguments.model_dir, arguments.features)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch)
    extractor = feature_extractor_of(arguments.model_dir, description, arguments.features)
    check = export_onnx(model, extractor, description.symbols, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB; {_agreement(check)}")
    return 0


def _run_web(arguments: argparse.Namespace) -> int:
    out, runtime = arguments.web, RUNTIME if arguments.runtime is None else arguments.runtime
    require_apart(out, arguments.model_dir, arguments.features, runtime)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch)
    extractor = feature_extractor_of(arguments.model_dir, description, arguments.features)
    page = export_web_page(model, extractor, description.symbols, out, runtime=runtime, corpus=arguments.corpus)
    print(
        f"{out}: page {page.page_bytes / 1e6:.2f} MB, model {page.model_bytes / 1e6:.1f} MB, "
        f"onnxruntime-web {RUNTIME_VERSION} {page.runtime_bytes / 1e6:.1f} MB; {_agreement(page.check)}"
    )
    print(f"try it with: python -m http.server --directory {shlex.quote(str(out))}, then open http://localhost:8000")
    return 0


def _agreement(check: OnnxCheck) -> str:
    lengths = ", ".join(f"{samples} samples" for samples in check.num_samples)
    return (
        f"onnxruntime agrees with the model on {lengths} (posteriors differ by {check.largest_difference:.1e} at most)"
    )
