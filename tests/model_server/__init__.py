"""A model that says what a test wants, over the protocols that real agents speak."""
