"""How property tests run: each time with the same examples, and without a watch on how long one takes.

A pause of the machine or of the garbage collector is no fault of an example. `--hypothesis-profile random` tries
examples that nobody has tried.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("steady", settings.get_profile("random"), derandomize=True)
settings.load_profile("steady")
