"""What tests of the catalogue do as an administrator does."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from libs.documents.documents import Documents
from services.api.catalog.documents import COLLECTION
from tests.integration.api.system import System, User, if_match, json

PATH = "/v1/services"


def service_of(slug: str, **changes: Any) -> dict[str, Any]:
    """A request for a new service."""
    content = {
        "slug": slug,
        "name": f"The service {slug}",
        "category": "made-up",
        "price": {"amount": "12.50", "currency": "EUR"},
    }
    return {**content, **changes}


@dataclass
class Admin:
    """An administrator at a process."""

    system: System
    user: User

    @classmethod
    def of(cls, system: System, user_id: UUID | None = None) -> "Admin":
        """Somebody new, unless it is said who."""
        if user_id is None:
            return cls(system, system.user("admin"))
        who = str(user_id)
        token = system.runtime.issuer.token(who, roles=("admin",), name="Ada", country="DE")
        return cls(system, User(user_id, {"Authorization": f"Bearer {token}"}))

    async def create(self, body: dict[str, Any], *, key: str | None = None) -> httpx.Response:
        headers = dict(self.user.headers) | ({"Idempotency-Key": key} if key else {})
        return await self.system.http.post(PATH, json=body, headers=headers)

    async def created(self, slug: str, **changes: Any) -> str:
        """The path of a new service."""
        response = await self.create(service_of(slug, **changes))
        assert response.status_code == 201, response.text
        return response.headers["location"]

    async def replace(
        self, path: str, body: dict[str, Any], *, version: int | None
    ) -> httpx.Response:
        headers = {**self.user.headers, **if_match(version)}
        return await self.system.http.put(path, json=body, headers=headers)

    async def patch(
        self, path: str, body: dict[str, Any], *, version: int | None = None
    ) -> httpx.Response:
        return await self.system.change(self.user, path, body, version=version)

    async def delete(self, path: str, *, version: int | None = None) -> httpx.Response:
        return await self.system.delete(self.user, path, version=version)

    async def get(self, path: str) -> Any:
        response = await self.system.get(self.user, path)
        assert response.status_code == 200, response.text
        return json(response)

    async def documents(self, **query: Any) -> list[dict[str, Any]]:
        """What MongoDB has."""
        collection = self.system.runtime.share(Documents).collection(COLLECTION)
        return await collection.find(query).to_list(None)
