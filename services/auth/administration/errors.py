"""What administrators may not do."""

from libs.errors import PermissionDenied


class AdminNoMore(PermissionDenied):
    """A token outlives the rights that it was issued with; what is written goes by the rights."""

    code = "users.admin_no_more"
    title = "You are not an administrator any more"


class OwnRights(PermissionDenied):
    """With `AdminNoMore` this keeps the last administrator: whoever takes one away remains one."""

    code = "users.own_rights"
    title = "Nobody changes their own roles or activity, or deletes themselves"
