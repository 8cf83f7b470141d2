"""Every change of users, parties and their identity."""
