"""How a project hangs together: imports, cycles, hot spots, dependencies; read, never run."""
