"""What documents say that a program can check against the tree: links, names, commands, code."""
