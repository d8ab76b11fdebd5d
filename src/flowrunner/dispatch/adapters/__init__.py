"""What is particular about each coding agent: how it starts, and how its words are to be read."""
