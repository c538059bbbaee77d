"""Detectors for other machines: ONNX graphs, and what runs them."""

from clipgap.export.detector import OnnxDetector
from clipgap.export.folder import is_exported
from clipgap.export.writing import Exported, export_onnx

__all__ = ["Exported", "OnnxDetector", "export_onnx", "is_exported"]
