"""Export of models to ONNX, from audio to phone posteriors, for other programs and for the browser."""

from cnn_mellin.export.onnx_file import OnnxCheck, export_onnx
from cnn_mellin.export.web_page import WebPage, export_web_page

__all__ = ["OnnxCheck", "WebPage", "export_onnx", "export_web_page"]
