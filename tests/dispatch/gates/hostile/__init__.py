"""An agent that tries everything, for gates to be tried by."""
