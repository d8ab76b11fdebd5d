"""Which rules the static agent believes in, how severe each is, and why it matters."""
