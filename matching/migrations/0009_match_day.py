"""Add match days, and let the town's employees look at them."""

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import uuid
from decimal import Decimal
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


# Frozen with this migration; the constant is accounts.choices.TOWN_STAFF.
GROUP = "town staff"
MAY = ["view_matchday", "view_matchdaypair"]


def give(apps, schema_editor):
    """As in 0006: permissions are rows that Django makes after all migrations; a deleted group stays deleted."""
    alias = schema_editor.connection.alias
    group = apps.get_model("auth", "Group").objects.using(alias).filter(name=GROUP).first()
    if group is None:
        return
    app_config = apps.get_app_config("matching")
    app_config.models_module = True
    create_permissions(app_config, apps=apps, verbosity=0, using=alias)
    app_config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    found = list(permissions.filter(content_type__app_label="matching", codename__in=MAY))
    if len(found) != len(MAY):
        raise LookupError(f"not all of {MAY} are there")
    group.permissions.add(*found)


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ('accounts', '0004_more_reasons'),
        ('matching', '0008_runs_in_pieces'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='MatchDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='updated at')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='public id')),
                ('version', models.PositiveBigIntegerField(default=1, editable=False, verbose_name='version')),
                ('first_week_on', models.DateField(help_text='A Monday.', verbose_name='first week')),
                ('weeks', models.PositiveSmallIntegerField(default=1, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(4)], verbose_name='weeks')),
                ('from_hour', models.PositiveSmallIntegerField(default=9, help_text='Sessions begin no earlier in the day.', validators=[django.core.validators.MaxValueValidator(23)], verbose_name='from hour')),
                ('to_hour', models.PositiveSmallIntegerField(default=24, help_text='Sessions end no later in the day.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(24)], verbose_name='to hour')),
                ('session_hours', models.PositiveSmallIntegerField(default=2, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(12)], verbose_name='hours of a session')),
                ('places', models.PositiveSmallIntegerField(default=1, help_text='1: exclusive sessions; more: mixed sessions.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(20)], verbose_name='stalls in a session')),
                ('rho', models.DecimalField(decimal_places=2, default=Decimal('0.50'), help_text='0: only how likely a pair agrees; 1: its expected net GMV counts in full.', max_digits=3, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)], verbose_name='weight of turnover')),
                ('newcomer_floor', models.PositiveSmallIntegerField(default=1, help_text='At least so many each, where it can be.', validators=[django.core.validators.MaxValueValidator(7)], verbose_name='bookings for newcomers')),
                ('status', models.CharField(choices=[('draft', 'being prepared'), ('solved', 'solved'), ('releasing', 'being released'), ('released', 'released'), ('cancelled', 'cancelled')], default='draft', editable=False, max_length=16, verbose_name='state')),
                ('solved_at', models.DateTimeField(editable=False, null=True, verbose_name='solved at')),
                ('released_at', models.DateTimeField(editable=False, null=True, verbose_name='released at')),
                ('digest', models.CharField(blank=True, editable=False, help_text='Of settings, wishes and pairs: the same town and wishes give the same.', max_length=64, verbose_name='digest')),
                ('report', models.JSONField(default=dict, editable=False, verbose_name='report')),
                ('created_by', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='begun by')),
                ('run', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='matching.enginerun', verbose_name='engine run')),
            ],
            options={
                'verbose_name': 'match day',
                'verbose_name_plural': 'match days',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='MatchDayEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.PositiveIntegerField(verbose_name='number')),
                ('action', models.CharField(max_length=32, verbose_name='action')),
                ('from_status', models.CharField(blank=True, max_length=32, verbose_name='from')),
                ('to_status', models.CharField(max_length=32, verbose_name='to')),
                ('actor_id', models.BigIntegerField(help_text='User id; empty for the system.', null=True, verbose_name='actor')),
                ('actor_role', models.CharField(max_length=16, verbose_name='acted as')),
                ('reason_code', models.CharField(blank=True, max_length=48, verbose_name='reason')),
                ('at', models.DateTimeField(verbose_name='at')),
                ('prev_hash', models.CharField(blank=True, max_length=64, verbose_name='previous hash')),
                ('hash', models.CharField(max_length=64, verbose_name='hash')),
                ('digest', models.CharField(blank=True, max_length=64, verbose_name='digest')),
                ('day', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='matching.matchday')),
            ],
            options={
                'verbose_name': 'event of a match day',
                'verbose_name_plural': 'events of a match day',
                'ordering': ['day_id', 'seq'],
            },
        ),
        migrations.CreateModel(
            name='MatchDayPair',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='updated at')),
                ('wish', models.CharField(blank=True, choices=[('', 'left to the engine'), ('pinned', 'pinned'), ('forbidden', 'forbidden')], default='', max_length=9, verbose_name='wish')),
                ('is_solved', models.BooleanField(default=False, verbose_name='brought together')),
                ('starts_at', models.DateTimeField(null=True, verbose_name='starts at')),
                ('mutual_millionths', models.PositiveIntegerField(default=0, help_text='Of an agreement and a session, in millionths.', verbose_name='likelihood')),
                ('net_gmv_cents', models.BigIntegerField(default=0, help_text='Cents of CNY.', verbose_name='expected net GMV')),
                ('weight_millionths', models.PositiveBigIntegerField(default=0, verbose_name='weight')),
                ('fault_code', models.CharField(blank=True, max_length=48, verbose_name='not proposed because')),
                ('fault', models.TextField(blank=True, verbose_name='refusal')),
                ('anchor', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.anchor', verbose_name='anchor')),
                ('day', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='pairs', to='matching.matchday', verbose_name='match day')),
                ('match', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='match_day_pair', to='matching.match', verbose_name='match')),
                ('stall', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.stall', verbose_name='stall')),
            ],
            options={
                'verbose_name': 'pair of a match day',
                'verbose_name_plural': 'pairs of a match day',
                'ordering': ['day_id', 'stall_id', 'anchor_id'],
            },
        ),
        migrations.AddConstraint(
            model_name='matchday',
            constraint=models.CheckConstraint(condition=models.Q(('weeks__gte', 1), ('weeks__lte', 4)), name='match_day_weeks'),
        ),
        migrations.AddConstraint(
            model_name='matchday',
            constraint=models.CheckConstraint(condition=models.Q(('rho__gte', 0), ('rho__lte', 1)), name='match_day_rho'),
        ),
        migrations.AddConstraint(
            model_name='matchday',
            constraint=models.CheckConstraint(condition=models.Q(('to_hour__gte', django.db.models.expressions.CombinedExpression(models.F('from_hour'), '+', models.F('session_hours'))), ('to_hour__lte', 24)), name='match_day_hours'),
        ),
        migrations.AddConstraint(
            model_name='matchdayevent',
            constraint=models.UniqueConstraint(fields=('day', 'seq'), name='match_day_event_seq_unique'),
        ),
        migrations.AddConstraint(
            model_name='matchdaypair',
            constraint=models.UniqueConstraint(fields=('day', 'stall', 'anchor'), name='match_day_pair_unique'),
        ),
        migrations.AddConstraint(
            model_name='matchdaypair',
            constraint=models.CheckConstraint(condition=models.Q(('is_solved', False), models.Q(('wish', 'forbidden'), _negated=True), _connector='OR'), name='match_day_pair_not_forbidden'),
        ),
        migrations.RunPython(give, migrations.RunPython.noop),
    ]
