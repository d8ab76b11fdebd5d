"""What the shipped flows have in common; each pins the modules of it that it uses."""
