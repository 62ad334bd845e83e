"""`cnn-mellin export`: export a trained model for other programs."""

from __future__ import annotations

import argparse

from cnn_mellin.cli.model_input import feature_extractor_of
from cnn_mellin.errors import SettingsError
from cnn_mellin.export import export_onnx
from cnn_mellin.output_place import require_output_file
from cnn_mellin.training import load_model

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Export the model and check the file."""
    if not arguments.out.parent.is_dir():
        raise SettingsError(f"{arguments.out}: its folder does not exist; make it first")
    require_output_file(arguments.out, "onnx", arguments.model_dir, arguments.features)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch)
    extractor = feature_extractor_of(arguments.model_dir, description, arguments.features)
    check = export_onnx(model, extractor, description.symbols, arguments.out)
    lengths = ", ".join(f"{samples} samples" for samples in check.num_samples)
    print(
        f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB; onnxruntime agrees with the model on {lengths} "
        f"(posteriors differ by {check.largest_difference:.1e} at most)"
    )
    return 0
