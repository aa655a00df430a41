"""Stages that fetch, train and judge models and teachers."""
