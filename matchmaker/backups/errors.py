"""Why a backup could not be made or restored, said to the operator."""


class BackupError(Exception):
    """Carries one sentence for the person at the terminal; nothing was changed."""
