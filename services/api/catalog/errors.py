"""What can go wrong with the catalogue."""

from libs.errors import Conflict, Internal, NotFound


class ServiceNotFound(NotFound):
    code = "catalog.service_not_found"
    title = "There is no such service"


class SlugTaken(Conflict):
    code = "catalog.slug_taken"
    title = "Another service has this slug"


class ServiceUnreadable(Internal):
    code = "catalog.service_unreadable"
    title = "The service's document is broken; the operators have been told"
