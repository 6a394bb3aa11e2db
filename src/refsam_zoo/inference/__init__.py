"""Streaming inference, and writers of masks and overlays."""
