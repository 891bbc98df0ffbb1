"""Pixels and tensors: rendering, training and scoring photos. No Django."""
