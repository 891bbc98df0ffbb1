"""What the PDF says of its own figures: how each is computed, after whom, and what the words mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Formula(NamedTuple):
    """How a figure is computed, and where that is published."""

    name: StrOrPromise
    formula: StrOrPromise
    source: str


FORMULAS = (
    Formula(
        gettext_lazy("Rates and agreement"),
        gettext_lazy("k / n, with the interval (k + z²/2 ± z √(k (n − k) / n + z²/4)) / (n + z²), z = 1.960"),
        "Wilson (1927), Journal of the American Statistical Association 22, 209-212",
    ),
    Formula(
        gettext_lazy("Positive agreement"),
        gettext_lazy(
            "2a / (2a + b + c), a both scratched, b + c one of the two; the interval is Wilson's of j = a / (a + b + c), "
            "carried over by 2j / (1 + j)"
        ),
        "Cicchetti, Feinstein (1990), Journal of Clinical Epidemiology 43, 551-558",
    ),
    Formula(
        gettext_lazy("Kappa"),
        gettext_lazy(
            "(po − pe) / (1 − pe), po the agreement, pe that of chance; interval from its asymptotic variance"
        ),
        "Cohen (1960), Educational and Psychological Measurement 20, 37-46; "
        "Fleiss, Cohen, Everitt (1969), Psychological Bulletin 72, 323-327, equation 13",
    ),
    Formula(
        gettext_lazy("People against people"),
        gettext_lazy("each pair of answers counted in both orders, so that neither person is held right"),
        "Scott (1955), Public Opinion Quarterly 19, 321-325; Bloch, Kraemer (1989), Biometrics 45, 269-287",
    ),
    Formula(
        gettext_lazy("Risk and coverage"),
        gettext_lazy("scratched parts among those with a score below a threshold, over their share of all parts"),
        "El-Yaniv, Wiener (2010), Journal of Machine Learning Research 11, 1605-1641",
    ),
    Formula(
        gettext_lazy("Reliability and calibration error"),
        gettext_lazy(
            "share scratched over mean score in bins of at least 20 parts or 0.1 wide; the error is the mean distance of the "
            "two, weighted by parts"
        ),
        "Murphy, Winkler (1977), Applied Statistics 26, 41-47; Naeini, Cooper, Hauskrecht (2015), AAAI",
    ),
)
# What is not said here. Whoever audits a hand-over of work to the model needs the certificate, not this report.
NO_CERTIFICATE = gettext_lazy(
    "These intervals hold for one look at these parts. They certify no level of automation: that rests on bounds that hold "
    "however often one looks, and for one planned look on exact ones (Clopper, Pearson (1934), Biometrika 26, 404-413)."
)
DEFINITIONS = (
    (
        gettext_lazy("Pair"),
        gettext_lazy(
            "one part, a person's verdict on it and the answer of one model version; the person is held right"
        ),
    ),
    (
        gettext_lazy("Verdict"),
        gettext_lazy("the last one on the part that is not unsure, as last corrected"),
    ),
    (gettext_lazy("Escape"), gettext_lazy("a scratched part that the model calls ok")),
    (gettext_lazy("Overkill"), gettext_lazy("a good part that the model calls scratched")),
    (
        gettext_lazy("Model says scratched"),
        gettext_lazy("its score, a calibrated probability, is at or above the operating threshold of the version"),
    ),
    (
        gettext_lazy("Day"),
        gettext_lazy("the line's own working day on which the part arrived: a shift belongs to the day it began on"),
    ),
)
HOW_TO_CHECK = gettext_lazy(
    "Ask the same address for format=json as the same person, and compare: sha256sum FILE. The digest is that of the JSON "
    "answer at the time named above; a verdict or correction that came later changes both."
)
SIGNED = (gettext_lazy("Prepared by"), gettext_lazy("Checked by"), gettext_lazy("Accepted for the customer by"))
