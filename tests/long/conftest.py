"""What takes long by its nature belongs here: trainings, simulations, studies, long stories, whole pages. As a rule, what
takes a tenth of a second a test or more. The props are those of the unit tests.
"""

from tests.unit.conftest import audited, compared, no_static_files

__all__ = ["audited", "compared", "no_static_files"]
