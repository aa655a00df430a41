"""Stages that make the tables that users read."""
