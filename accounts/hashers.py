"""How passwords are stored (layer: pure)."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB and two passes, the OWASP minimum.

    Django's own default takes 100 MiB and 0.3 s: two cores are full at 6.5 logins a second.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
