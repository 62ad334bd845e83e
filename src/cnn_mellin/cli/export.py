"""`cnn-mellin export`: a trained model for other programs to run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="trained model -> ONNX file, audio in, posteriors out",
        description="Write a trained model with its features as one ONNX file. It takes `audio`, float32 (samples,) of "
        "any length, full scale 32768, and gives `posteriors` (frames, classes), the blank last, and `num_frames` "
        "(1,). Its metadata hold phones, sample_rate_hz, frame_shift_ms and full_scale. Before it is written, "
        "onnxruntime runs it on several lengths and must agree with the model. Needs the extra `export`.",
    )
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of a trained model")
    parser.add_argument("out", metavar="OUT.onnx", type=Path, help="file to write")
    parser.add_argument(
        "--epoch", type=int, metavar="E", help="weights of this epoch (default: the best; 0: before training)"
    )
    parser.add_argument(
        "--features", metavar="FILE.json", help="configuration of the features, where the model does not know its own"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export and check."""
    from cnn_mellin.errors import SettingsError
    from cnn_mellin.export import export_onnx
    from cnn_mellin.features import FeatureExtractor
    from cnn_mellin.output_place import require_output_file
    from cnn_mellin.training import load_model
    from cnn_mellin.training.model_folder import feature_extractor

    if not arguments.out.parent.is_dir():
        raise SettingsError(f"{arguments.out}: its folder does not exist; make it first")
    require_output_file(arguments.out, "onnx", arguments.model_dir, arguments.features)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch)
    if arguments.features is None:
        extractor = feature_extractor(arguments.model_dir, description)
    else:
        extractor = FeatureExtractor.from_json(arguments.features)
        if extractor.num_coefficients != description.num_features:
            raise SettingsError(
                f"--features {arguments.features}: has {extractor.num_coefficients} coefficients a frame, but "
                f"{arguments.model_dir} was trained on {description.num_features}"
            )
    check = export_onnx(model, extractor, description.symbols, arguments.out)
    lengths = ", ".join(f"{samples} samples" for samples in check.num_samples)
    print(
        f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB; onnxruntime agrees with the model on {lengths} "
        f"(posteriors differ by {check.largest_difference:.1e} at most)"
    )
    return 0
