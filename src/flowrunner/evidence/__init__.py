"""Checks claims against the tree they speak of; reads files, writes none, asks nobody."""
