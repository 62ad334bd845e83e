"""Export of models to ONNX, from audio to phone posteriors, for other programs."""

from cnn_mellin.export.onnx_file import OnnxCheck, export_onnx

__all__ = ["OnnxCheck", "export_onnx"]
