"""Models for other programs to run: ONNX, from audio to phone posteriors."""

from cnn_mellin.export.onnx_file import OnnxCheck, export_onnx

__all__ = ["OnnxCheck", "export_onnx"]
