"""Weights as tensors and files; nothing here knows a model."""
