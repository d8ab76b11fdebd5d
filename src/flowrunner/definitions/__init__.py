"""Flows and personas as their authors write them: loaded, checked whole, pinned by content."""
