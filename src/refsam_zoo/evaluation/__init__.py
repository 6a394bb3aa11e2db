"""Measures predictions: J and F, per data set and per expression, and what a reader sees of them."""
