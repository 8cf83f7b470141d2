"""What somebody was told, and how it reads (layer: selectors)."""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from notifications.models import Notice
from notifications.registry import Fact, Told, teller_of

logger = logging.getLogger(__name__)


def notices_of(user: User, *, unread: bool | None = None) -> QuerySet[Notice]:
    """Return what `user` was told: all of it, only what is unread, or only what was read."""
    notices = Notice.objects.filter(user=user)
    return notices if unread is None else notices.filter(read_at__isnull=unread)


def unread_count(user: User) -> int:
    """Return how many notices of `user` are unread."""
    return notices_of(user, unread=True).count()


def texts_of(notices: Iterable[Notice]) -> dict[int, Told]:
    """Return the words of each notice by its key, in the active language.

    The number of queries depends on the topics, not on the notices. What cannot be told (a topic that this
    release no longer knows, facts that its teller stumbles over) is logged and told as such: one bad row must
    not hide the others.
    """
    texts = {}
    for topic, group in groupby(sorted(notices, key=_topic), key=_topic):
        alike = list(group)
        tell = _prepared(topic, alike)
        texts.update({notice.pk: _told(tell, notice) for notice in alike})
    return texts


def _topic(notice: Notice) -> str:
    return notice.topic


def _prepared(topic: str, notices: Sequence[Notice]) -> Callable[[Fact], Told] | None:
    try:
        return teller_of(topic)(notices)
    except DatabaseError:
        raise  # not the notice's fault: the reader is asked to come back
    except Exception:
        logger.exception("notices of topic %r cannot be told", topic)
        return None


def _told(tell: Callable[[Fact], Told] | None, notice: Notice) -> Told:
    if tell is not None:
        try:
            return tell(notice)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("notice %s cannot be told", notice.public_id)
    return Told(_("News"), _("This news cannot be shown here."))
