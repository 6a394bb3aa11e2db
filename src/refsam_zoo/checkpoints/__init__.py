"""Weights files: verified loading, official files in and out, small tuner files."""
