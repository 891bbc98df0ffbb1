"""A person works in their own language: chosen at the door or kept with the account, in pages and scripts alike."""

import re

import pytest
from playwright.sync_api import expect

from tests.conftest import PASSWORD

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def test_a_shift_in_chinese_from_the_door_to_the_next_part(sign_in, line, ivy, make_part):
    first, second = make_part(photos=2), make_part()
    page = sign_in("ivy")
    page.goto("/")
    page.get_by_text("ivy", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    page.get_by_label("用户名").fill("ivy")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.goto(f"/inspect/{line.slug}/")
    page.locator("[data-room-page][data-ready]").wait_for()
    expect(page.get_by_role("button", name="合格")).to_be_visible()
    page.keyboard.press("b")
    expect(page.locator("[data-said]")).to_contain_text("亮度")
    page.keyboard.press("j")
    expect(page.locator("[data-part-serial]")).to_have_text(second.serial)
    page.goto(f"/parts/{first.serial}/")
    # On a slow machine it is some seconds already.
    expect(page.locator("time").first).to_have_text(re.compile("刚刚|[0-9]+秒钟前"))


def test_the_accounts_language_goes_with_the_person(sign_in, line, ivy):
    page = sign_in("ivy")
    page.goto("/preferences/")
    page.get_by_label("Language").select_option("简体中文")
    page.get_by_role("button", name="Save the language").click()
    expect(page.get_by_text("语言已保存。")).to_be_visible()
    elsewhere = sign_in("ivy")
    elsewhere.goto("/parts/")
    expect(elsewhere.get_by_role("heading", name="部件", exact=True)).to_be_visible()
