"""Plain checks of our own: few, cheap, and true where they speak."""
