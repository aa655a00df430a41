"""Stages that make, write and export distilled sets."""
