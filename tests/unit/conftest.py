"""How hard Hypothesis looks: HYPOTHESIS_PROFILE=deep for the long search."""

import os

from hypothesis import HealthCheck, settings

# The first call of a test may be slow on a busy box, and that says nothing about the code.
settings.register_profile(
    "default", max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
