"""Deleting one of the tags that are held about a party (layer: services)."""

from django.utils.translation import gettext as _

from accounts.models import Anchor, Stall, User
from accounts.services.anchors import update_anchor
from accounts.services.stalls import update_stall
from accounts.services.tags import forget_evidence
from matching.access import require_member
from matching.choices import Side
from matching.tags import tags_of_side
from matchmaker.core.errors import Conflict, NotFound


def erase_tag(*, actor: User, party: Stall | Anchor, code: str) -> None:
    """Delete the tag: what the party says of itself is emptied, what is counted starts from nothing.

    Lists follow at once: both raise the party's version and announce `profile_changed`. Raises NotFound for a
    tag that there is not, Conflict (tag_needed) for one that matching cannot do without.
    """
    require_member(actor, party)
    tag = tags_of_side(Side.STALL if isinstance(party, Stall) else Side.ANCHOR).get(code)
    if tag is None:
        raise NotFound(_("There is no such tag."), code="no_such_tag")
    if not tag.is_erasable:
        raise Conflict(str(tag.why_kept), code="tag_needed", fields={"tag": [str(tag.why_kept)]})
    if tag.blank is None:
        forget_evidence(actor=actor, party=party, code=code)
    elif isinstance(party, Stall):
        update_stall(actor=actor, stall=party, data=tag.blank)
    else:
        update_anchor(actor=actor, anchor=party, data=tag.blank)
