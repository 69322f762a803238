"""The passwords that are guessed first."""

import pytest

from services.auth.users.common_passwords import CommonPasswords, folded
from services.auth.users.errors import InvalidPassword
from tests.unit.auth.account_factories import WIDE
from tests.unit.auth.factories import UserWorld, new_user


@pytest.mark.parametrize("password", ["password1", "PASSWORD1", "iloveyou", WIDE, "qwertyuiop"])
async def test_a_common_one_is_refused_whatever_its_case_and_width(password: str) -> None:
    with pytest.raises(InvalidPassword, match="rules") as caught:
        await UserWorld().registration.create(new_user(password=password))
    assert password not in str(caught.value.errors)


def test_others_are_not() -> None:
    common = CommonPasswords()
    for password in ("correct horse", "password1 and more", ""):
        assert not common.has(password)


def test_the_list_is_in_the_form_in_which_it_is_compared() -> None:
    listed = CommonPasswords()._folded
    assert len(listed) > 8000
    assert all(folded(password) == password for password in listed)
    assert all(8 <= len(password) <= 128 for password in listed)
