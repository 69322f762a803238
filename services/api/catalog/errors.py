"""What can go wrong with the catalogue."""

from libs.errors import NotFound


class ServiceNotFound(NotFound):
    code = "catalog.service_not_found"
    title = "There is no such service"
