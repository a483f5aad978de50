"""Settings of every test run."""

from hypothesis import HealthCheck, settings

# A slow, noisy machine must not fail a property for being slow; speed is measured in tests/bench.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")
