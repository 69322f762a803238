"""One's own account."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from services.auth.users.passwords import Passwords
from tests.integration.auth.conftest import Process
from tests.unit.auth.factories import CHEAP

ME = "/v1/users/me"


async def test_who_am_i(process: Process) -> None:
    user = (await process.sign_up()).json()
    answer = await process.http.get(ME, headers=await process.bearer())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == user
    assert answer.headers["etag"] == '"1"'


async def test_what_is_known_is_not_sent_again(process: Process) -> None:
    ada = await process.account("ada")
    for known in ('"1"', 'W/"1"', '"7", "1"', "*"):
        answer = await ada.get(ME, **{"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')
    assert (await ada.get(ME, **{"If-None-Match": '"2"'})).status_code == 200
    head = await process.http.head(ME, headers=ada.headers)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", '"1"')


async def test_changing_oneself(process: Process) -> None:
    ada = await process.account("ada")
    before = (await ada.get(ME)).json()
    answer = await ada.patch(ME, {"displayName": "Ada King"}, version=1)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    after = answer.json()
    assert after.pop("updatedAt") >= before.pop("updatedAt")
    assert after == {**before, "displayName": "Ada King", "version": 2}
    assert (await ada.get(ME)).content == answer.content
    (row,) = await process.rows("SELECT * FROM users")
    assert (row["created_by"], row["updated_by"]) == (None, str(ada.id))


async def test_a_merge_patch_has_a_media_type_of_its_own(process: Process) -> None:
    ada = await process.account("ada")
    headers = {**ada.headers, "If-Match": "*", "Content-Type": "application/merge-patch+json"}
    answer = await process.http.patch(ME, content=b'{"country":"GB"}', headers=headers)
    assert (answer.status_code, answer.json()["country"]) == (200, "GB")


async def test_the_event_is_committed_with_the_change(process: Process) -> None:
    ada = await process.account("ada")
    answer = await ada.patch(ME, {"displayName": "Ada King", "country": "GB"}, version=1)
    _, row = await process.rows("SELECT * FROM outbox WHERE topic = 'users' ORDER BY seq")
    assert (row["type"], row["subject"], row["actor"]) == ("UserUpdated", str(ada.id), str(ada.id))
    assert row["context_id"] == answer.headers["x-context-id"]
    assert '"revision":2' in row["payload"]
    assert '"displayName":"Ada King"' in row["payload"]
    assert "@" not in row["payload"]


async def test_a_change_is_meant_for_a_version(process: Process) -> None:
    ada = await process.account("ada")
    change = {"country": "GB"}
    for version, status, code in (
        (None, 428, "precondition_required"),
        (2, 412, "precondition_failed"),
    ):
        answer = await ada.patch(ME, change, version=version)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await ada.patch(ME, change, version=1)).status_code == 200
    assert (await ada.patch(ME, {"country": "FR"}, version=1)).status_code == 412


async def test_of_many_changes_of_one_version_one_is_made(process: Process) -> None:
    ada = await process.account("ada")
    names = [f"Ada {number}" for number in range(20)]
    answers = await asyncio.gather(
        *(ada.patch(ME, {"displayName": name}, version=1) for name in names)
    )
    assert Counter(a.status_code for a in answers) == {200: 1, 412: 19}
    (winner,) = [a.json() for a in answers if a.status_code == 200]
    assert (await ada.get(ME)).json() == winner
    assert len(await process.rows("SELECT FROM outbox WHERE topic = 'users'")) == 2


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"displayName": None}, ["/displayName"]),
        ({"displayName": " "}, ["/displayName"]),
        ({"displayName": "A\nda", "country": "xx"}, ["/country", "/displayName"]),
        ({"roles": ["admin"]}, ["/roles"]),
        ({"active": False}, ["/active"]),
        ({"email": "eve@example.com"}, ["/email"]),
        ({"id": "01a20e29-7752-7542-9101-25b9c39240c5"}, ["/id"]),
        ({"version": 9}, ["/version"]),
    ],
)
async def test_what_is_not_for_its_owner_to_change(
    process: Process, change: dict[str, Any], pointers: list[str]
) -> None:
    ada = await process.account("ada")
    answer = await ada.patch(ME, change, version=1)
    assert answer.status_code == 422
    assert sorted(e["pointer"] for e in answer.json()["errors"]) == pointers
    assert (await ada.get(ME)).json()["version"] == 1


async def test_methods_that_there_are_none_of(process: Process) -> None:
    for method in ("DELETE", "PUT", "POST"):
        answer = await process.http.request(method, ME)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, PATCH"


async def test_logging_in_changes_nobodys_version(process: Process) -> None:
    ada = await process.account("ada")
    weaker = CHEAP.model_copy(update={"memory_kib": 32})
    await process.database.execute(
        "UPDATE users SET password_hash = $1", await Passwords(weaker).hash("correct horse")
    )
    (before,) = await process.rows("SELECT * FROM users")
    await process.log_in()
    (after,) = await process.rows("SELECT * FROM users")
    assert "m=32," in before.pop("password_hash")
    assert "m=64," in after.pop("password_hash")
    assert after == before
    assert (await ada.patch(ME, {"country": "GB"}, version=1)).status_code == 200
