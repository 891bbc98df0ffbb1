"""A second factor from the account's page to the next sign-in, by the keyboard alone, as people and axe see its pages."""

import pyotp
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from inspection import second_factor
from inspection.models import SecondFactor
from tests.conftest import PASSWORD
from tests.journeys.test_accessibility import faults, told

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_second_factor_by_the_keyboard_alone(sign_in, ada, scheme):
    page, wrong = sign_in("ada", color_scheme=scheme), {}

    def to(name: str) -> None:
        """Tab to the control of that name."""
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(document.activeElement.labels?.[0] ?? document.activeElement).innerText") == name:
                return
        raise AssertionError(f"{name} is not reached by Tab")

    def press(name: str, key: str = "Enter") -> None:
        to(name)
        page.keyboard.press(key)

    def shows(heading: str) -> None:
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()

    page.goto("/account/")
    wrong["account"] = faults(page)
    press("Set up a second factor")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    wrong["picture"] = faults(page)
    secret = second_factor.unseal(SecondFactor.objects.get().sealed_secret)
    assert page.locator(".secret").inner_text().replace(" ", "") == secret
    page.keyboard.type(pyotp.TOTP(secret).at(timezone.now()))
    page.keyboard.press("Enter")
    code = page.locator(".recovery-codes li").first.inner_text()
    wrong["codes"] = faults(page)
    press("I have kept them")
    shows("Your account")
    wrong["account with a factor"] = faults(page)
    page.context.clear_cookies()
    page.goto("/login/?next=/setup/tokens/")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    wrong["code"] = faults(page)
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not right")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    shows("Tokens")
    press("Add the first token")
    shows("New token")
    wrong["new token"] = faults(page)
    to("Account")
    page.keyboard.type("ada")
    press("Set up the token")
    assert page.get_by_label("The token").input_value().startswith("sl_")
    wrong["issued"] = faults(page)
    press("I have copied it")
    shows("Tokens")
    wrong["tokens"] = faults(page)
    assert told(wrong) == ""
