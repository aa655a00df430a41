"""Typed configuration, seeds and fingerprints: no torch, no files but the code itself."""
