"""Sampling a bundle with numpy, Pillow and onnxruntime alone."""
