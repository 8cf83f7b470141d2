"""Reference data of the town: stable codes with names in both languages (layer: models)."""

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Reference(models.Model):
    """A thing known by a stable `code`; loaded by migration, never deleted, only retired."""

    code = models.SlugField(_("code"), max_length=48, unique=True)
    name_zh = models.CharField(_("Chinese name"), max_length=80)
    name_en = models.CharField(_("English name"), max_length=80)
    position = models.PositiveIntegerField(_("position"), default=0)
    is_retired = models.BooleanField(_("retired"), default=False)

    class Meta:
        abstract = True
        ordering = ["position", "code"]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name in the language of the request."""
        return self.name_zh if (get_language() or "zh").startswith("zh") else self.name_en


class Category(Reference):
    """One row per garment category; `department` is its parent in the tree."""

    department = models.SlugField(_("department"), max_length=48)

    class Meta(Reference.Meta):
        verbose_name = _("category")
        verbose_name_plural = _("categories")


class Style(Reference):
    """One row per style of dress."""

    class Meta(Reference.Meta):
        verbose_name = _("style")
        verbose_name_plural = _("styles")


class Zone(Reference):
    """One row per zone of the town's halls."""

    class Meta(Reference.Meta):
        verbose_name = _("zone")
        verbose_name_plural = _("zones")


class Region(Reference):
    """One row per province-level region; `area` is its parent (south, east, …)."""

    area = models.SlugField(_("area"), max_length=48)

    class Meta(Reference.Meta):
        verbose_name = _("region")
        verbose_name_plural = _("regions")


class Language(Reference):
    """One row per language or dialect spoken on air."""

    class Meta(Reference.Meta):
        verbose_name = _("language on air")
        verbose_name_plural = _("languages on air")


class Holiday(models.Model):
    """One row per date on which the town keeps other hours: an exception of every stall without its own."""

    on = models.DateField(_("date"), unique=True)
    name_zh = models.CharField(_("Chinese name"), max_length=80)
    name_en = models.CharField(_("English name"), max_length=80)
    hours = models.CharField(
        _("open hours"),
        max_length=24,
        default="0" * 24,
        help_text=_("24 characters 0 or 1; all 0: closed."),
    )

    class Meta:
        verbose_name = _("holiday")
        verbose_name_plural = _("holidays")
        ordering = ["on"]

    def __str__(self) -> str:
        return f"{self.on} {self.name}"

    @property
    def name(self) -> str:
        """The name in the language of the request."""
        return self.name_zh if (get_language() or "zh").startswith("zh") else self.name_en


class ReasonCode(Reference):
    """One row per reason that may be given; `purpose` says for which move."""

    purpose = models.CharField(_("purpose"), max_length=32)

    class Meta(Reference.Meta):
        verbose_name = _("reason")
        verbose_name_plural = _("reasons")
