"""What can be done with users."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from uuid import UUID

from fastapi.security import OAuth2PasswordRequestForm
from fastapi_users import InvalidPasswordException

from libs.contracts.auth import UserCreated
from libs.errors import FieldError
from libs.events.event import Event
from libs.logging import get_logger
from services.auth.users.errors import AccountGone, InvalidPassword
from services.auth.users.manager import UserManager
from services.auth.users.models import User
from services.auth.users.schemas import NewUser

log = get_logger()

Work = Callable[[], AbstractAsyncContextManager[object]]
"""Opens a unit of work."""

Publish = Callable[[Event], Awaitable[object]]
"""Adds an event to the open unit of work."""
