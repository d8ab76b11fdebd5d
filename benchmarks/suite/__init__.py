"""The benchmarks: one module each, all of one shape: `async def measure(stage) -> Figures`."""
