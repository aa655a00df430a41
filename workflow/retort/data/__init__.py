"""Manifest, image reading, and the tensor files that stages exchange."""
