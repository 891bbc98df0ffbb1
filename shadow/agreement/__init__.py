"""How far judges agree on ok and scratched: rates, kappas, tables of two, the attribute study and the hours of a shift."""

from shadow.agreement.fatigue import (
    FEWEST_PARTS,
    FEWEST_PEOPLE,
    Hour,
    Trend,
    Withheld,
    cochran_armitage,
    misses_by_hour,
    trend,
)
from shadow.agreement.grades import (
    EFFECTIVENESS_AT_LEAST,
    FALSE_ALARM_RATE_AT_MOST,
    MISS_RATE_AT_MOST,
    Grade,
    Graded,
    needed_without_one,
    worst,
)
from shadow.agreement.kappas import GOOD_KAPPA, Kappa, cohen_kappa, fleiss, fleiss_kappa
from shadow.agreement.rates import Figure, PositiveAgreement, Rate, clopper_pearson
from shadow.agreement.study import AttributeStudy, InspectorPair, InspectorStudy, Trial, attribute_study
from shadow.agreement.tables import Confusion, PeopleTable, people_confusion

__all__ = [
    "EFFECTIVENESS_AT_LEAST",
    "FALSE_ALARM_RATE_AT_MOST",
    "FEWEST_PARTS",
    "FEWEST_PEOPLE",
    "GOOD_KAPPA",
    "MISS_RATE_AT_MOST",
    "AttributeStudy",
    "Confusion",
    "Figure",
    "Grade",
    "Graded",
    "Hour",
    "InspectorPair",
    "InspectorStudy",
    "Kappa",
    "PeopleTable",
    "PositiveAgreement",
    "Rate",
    "Trend",
    "Trial",
    "Withheld",
    "attribute_study",
    "clopper_pearson",
    "cochran_armitage",
    "cohen_kappa",
    "fleiss",
    "fleiss_kappa",
    "misses_by_hour",
    "needed_without_one",
    "people_confusion",
    "trend",
    "worst",
]
