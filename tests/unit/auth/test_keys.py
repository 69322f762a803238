from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from libs.errors import Unavailable
from services.auth.keys.errors import (
    InvalidKey,
    KeyInUse,
    KeyKnown,
    KeyPending,
    NoSigningKey,
    UnknownKey,
    WrongKeySecret,
)
from services.auth.keys.models import KEEP, OVERLAP, State
from services.auth.keys.ring import KeyRing
from services.auth.keys.signing_key import SigningKey
from services.auth.settings import MAX_ACCESS_TOKEN_S
from services.cli.keys import table
from tests.unit.auth.factories import KeyWorld, new_pem, pem
from tests.unit.conftest import Logged


def test_a_key_has_the_same_name_everywhere() -> None:
    one, other = new_pem(), new_pem()
    assert SigningKey.from_pem(one).kid == SigningKey.from_pem(one).kid
    assert SigningKey.from_pem(one).kid != SigningKey.from_pem(other).kid
    assert len(SigningKey.from_pem(one).kid) == 43  # a SHA-256 in base64url


def test_a_key_comes_back_from_how_it_is_stored() -> None:
    key = SigningKey.new()
    again = SigningKey.from_der(key.to_der())
    assert (again.kid, again.public) == (key.kid, key.public)
    assert "private" not in repr(key)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        new_pem()[:-40],
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"secret")),
    ],
    ids=["empty", "text", "cut off", "RSA", "P-384", "Ed25519", "with a password"],
)
def test_a_file_that_does_not_fit_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidKey, match="must hold a P-256 private key"):
        SigningKey.from_pem(content)


class TestRotating:
    """What operators do, and which key signs and verifies when."""

    @staticmethod
    async def _states(world: KeyWorld) -> list[State]:
        return [life.state for life in await world.service.list()]

    async def test_the_first_key_signs_at_once(self) -> None:
        world = KeyWorld()
        assert (await world.service.rotate()).active_from == world.now()
        assert await self._states(world) == [State.SIGNS]

    async def test_the_next_one_is_published_before_it_signs(self) -> None:
        world = KeyWorld()
        first = await world.service.rotate()
        second = await world.service.rotate()
        ring = world.ring()
        assert await self._states(world) == [State.SIGNS, State.PUBLISHED]
        assert (await ring.signer()).kid == first.kid
        assert await _kids(ring) == {first.kid, second.kid}
        world.now.move(seconds=world.publish_s - 0.001)
        assert (await ring.signer()).kid == first.kid
        world.now.move(seconds=0.001)
        assert (await ring.signer()).kid == second.kid
        assert await self._states(world) == [State.VERIFIES, State.SIGNS]

    async def test_the_one_before_verifies_until_its_last_token_has_expired(self) -> None:
        world = KeyWorld()
        first = await world.service.rotate()
        second = await world.service.rotate()
        world.now.move(seconds=world.publish_s + MAX_ACCESS_TOKEN_S)
        assert await _kids(world.ring()) == {first.kid, second.kid}
        world.now.move(seconds=(KEEP - timedelta(seconds=MAX_ACCESS_TOKEN_S)).total_seconds())
        assert await _kids(world.ring()) == {second.kid}
        assert await self._states(world) == [State.OVER, State.SIGNS]

    async def test_one_at_a_time(self) -> None:
        world = KeyWorld()
        await world.service.rotate()
        pending = await world.service.rotate()
        with pytest.raises(KeyPending, match=f"{pending.kid} signs from"):
            await world.service.rotate()

    async def test_in_an_emergency_a_key_signs_at_once(self) -> None:
        world = KeyWorld()
        stolen = await world.service.rotate()
        world.now.move(seconds=1)
        fresh = await world.service.rotate(at_once=True)
        ring = world.ring()
        assert (await ring.signer()).kid == fresh.kid
        await world.service.retire(stolen.kid, force=True)
        world.now.move(seconds=1)
        assert await _kids(ring) == {fresh.kid}
        assert world.repository.keys[stolen.kid].private_key is None

    async def test_the_key_that_signs_is_not_withdrawn(self) -> None:
        world = KeyWorld()
        key = await world.service.rotate()
        with pytest.raises(KeyInUse, match="rotate the keys first"):
            await world.service.retire(key.kid, force=True)

    async def test_nor_without_force_one_whose_tokens_may_be_in_use(self) -> None:
        world = KeyWorld()
        key = await world.service.rotate()
        world.now.move(seconds=1)
        await world.service.rotate(at_once=True)
        with pytest.raises(KeyInUse, match="may still be in use, until 2"):
            await world.service.retire(key.kid)
        world.now.move(seconds=KEEP.total_seconds())
        await world.service.retire(key.kid)

    async def test_one_that_has_not_signed_yet_is_called_back(self) -> None:
        world = KeyWorld()
        first = await world.service.rotate()
        called_back = await world.service.rotate()
        await world.service.retire(called_back.kid)
        world.now.move(seconds=world.publish_s)
        ring = world.ring()
        assert (await ring.signer()).kid == first.kid
        assert await _kids(ring) == {first.kid}
        world.now.move(days=365)
        assert (await ring.signer()).kid == first.kid  # nobody has replaced it

    async def test_no_older_key_takes_over_again(self) -> None:
        world = KeyWorld()
        first = await world.service.rotate()
        world.now.move(seconds=1)
        second = await world.service.rotate(at_once=True)
        world.now.move(seconds=10)
        third = await world.service.rotate(at_once=True)
        world.now.move(seconds=10)
        await world.service.retire(second.kid, force=True)
        ring = world.ring()
        assert (await ring.signer()).kid == third.kid
        assert await _kids(ring) == {first.kid, third.kid}

    async def test_a_key_that_is_not_there(self) -> None:
        with pytest.raises(UnknownKey):
            await KeyWorld().service.retire("nothing")

    async def test_a_key_from_elsewhere(self) -> None:
        world, key = KeyWorld(), SigningKey.new()
        await world.service.adopt(key)
        assert (await world.ring().signer()).kid == key.kid
        with pytest.raises(KeyKnown):
            await world.service.adopt(key)

    async def test_the_first_key_is_made_once(self) -> None:
        world = KeyWorld()
        await world.service.make_first()
        await world.service.make_first()
        assert await self._states(world) == [State.SIGNS]

    async def test_the_list_is_for_people(self) -> None:
        world = KeyWorld()
        first = await world.service.rotate()
        second = await world.service.rotate()
        await world.service.retire(second.kid)
        lines = table(await world.service.list())
        assert lines[0].split()[:3] == ["KID", "STATE", "CREATED"]
        assert [line.split()[:2] for line in lines[1:]] == [
            [first.kid, "signs"],
            [second.kid, "retired"],
        ]
        assert lines[1].endswith("  -")


async def _kids(ring: KeyRing) -> set[str]:
    return {str(key["kid"]) for key in (await ring.published())["keys"]}


class TestEncryption:
    """Who has the database has no key."""

    async def test_the_private_half_is_encrypted(self) -> None:
        world, key = KeyWorld(), SigningKey.new()
        stored = await world.service.adopt(key)
        assert stored.private_key is not None
        number = key.private.private_numbers().private_value.to_bytes(32)
        assert number in key.to_der()
        assert number not in stored.private_key
        assert b"EC" not in stored.private_key[:40]

    async def test_the_same_key_is_never_encrypted_the_same_way(self) -> None:
        sealer = KeyWorld().sealer
        assert sealer.seal(b"plain", "name") != sealer.seal(b"plain", "name")

    @pytest.mark.parametrize("change", ["another secret", "another name", "damaged", "cut off"])
    async def test_it_opens_for_who_may_open_it(self, change: str) -> None:
        world = KeyWorld()
        sealed, name = world.sealer.seal(b"plain", "name"), "name"
        assert world.sealer.unseal(sealed, name) == b"plain"
        if change == "another secret":
            world = KeyWorld(secrets=("quite-another-secret",))
        elif change == "another name":
            name = "another"
        else:
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1]) if change == "damaged" else sealed[:9]
        with pytest.raises(WrongKeySecret, match="THROUGHLINE_AUTH_KEY_SECRET"):
            world.sealer.unseal(sealed, name)

    async def test_the_secret_can_be_changed(self) -> None:
        before = KeyWorld(secrets=("the-secret-before",))
        old = await before.service.rotate()
        after = KeyWorld(before.now, secrets=("the-secret-from-now-on", "the-secret-before"))
        after.repository.keys = before.repository.keys
        assert (await after.ring().signer()).kid == old.kid
        before.now.move(seconds=1)
        new = await after.service.rotate(at_once=True)
        alone = KeyWorld(before.now, secrets=("the-secret-from-now-on",))
        alone.repository.keys = before.repository.keys
        assert (await alone.ring().signer()).kid == new.kid

    async def test_with_a_wrong_secret_verifiers_are_still_served(self) -> None:
        before = KeyWorld(secrets=("the-secret-before",))
        key = await before.service.rotate()
        after = KeyWorld(before.now)
        after.repository.keys = before.repository.keys
        ring = after.ring()
        assert await _kids(ring) == {key.kid}
        with pytest.raises(WrongKeySecret):
            await ring.check()


class TestRing:
    """The keys of a process."""

    async def test_what_is_published_has_no_private_part(self) -> None:
        ring = await KeyWorld().with_key()
        (published,) = (await ring.published())["keys"]
        assert published.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (published["kty"], published["crv"], published["alg"]) == ("EC", "P-256", "ES256")
        assert published["kid"] == (await ring.signer()).kid

    async def test_without_a_key_it_says_what_to_do(self, logged: Logged) -> None:
        ring = KeyWorld().ring()
        assert await ring.published() == {"keys": []}
        with pytest.raises(NoSigningKey, match="throughline keys rotate"):
            await ring.check()
        assert "throughline keys rotate" in logged.line("keys.missing")["detail"]

    async def test_it_looks_again_when_it_has_not_for_a_while(self) -> None:
        world = KeyWorld()
        ring = world.ring(max_age_s=5)
        assert await ring.published() == {"keys": []}
        key = await world.service.rotate()
        asked = world.repository.asked
        for _ in range(3):
            assert await ring.published() == {"keys": []}
        assert world.repository.asked == asked
        world.now.move(seconds=5)
        assert (await ring.signer()).kid == key.kid
        assert world.repository.asked == asked + 1

    async def test_without_the_database_it_goes_on_with_what_it_knows(self) -> None:
        world = KeyWorld()
        ring = await world.with_key()
        second = await world.service.rotate()
        await ring.signer()
        world.repository.failure = Unavailable("gone")
        world.now.move(seconds=world.publish_s)
        assert (await ring.signer()).kid == second.kid  # known before it signs
        with pytest.raises(Unavailable):
            await world.ring().published()

    async def test_what_signs_no_more_has_no_private_half(self, logged: Logged) -> None:
        world = KeyWorld()
        first = await world.service.rotate()
        world.now.move(seconds=1)
        second = await world.service.rotate(at_once=True)
        ring = world.ring()
        world.now.move(seconds=OVERLAP.total_seconds() - 1)
        await ring.signer()
        assert world.repository.keys[first.kid].private_key is not None
        world.now.move(seconds=1)
        await ring.signer()
        assert world.repository.keys[first.kid].private_key is None
        assert world.repository.keys[second.kid].private_key is not None
        assert logged.line("keys.erased")["kids"] == [first.kid]

    async def test_changes_are_in_the_log_and_keys_are_not(self, logged: Logged) -> None:
        world = KeyWorld()
        ring = await world.with_key()
        await ring.signer()
        await ring.signer()
        await world.service.rotate()
        await ring.signer()
        assert len(logged.lines("keys.changed")) == 2
        assert b"PRIVATE" not in logged.raw()
