"""Stages from a data set to its manifest and its decoded splits."""
