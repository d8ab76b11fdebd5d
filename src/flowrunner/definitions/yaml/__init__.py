"""Flows written in YAML: the same steps as in Python, with expressions for code."""
