"""Detectors for other machines: ONNX graphs, and what runs them."""

from clipgap.export.graphs import export_onnx, is_exported
from clipgap.export.runner import OnnxDetector

__all__ = ["OnnxDetector", "export_onnx", "is_exported"]
