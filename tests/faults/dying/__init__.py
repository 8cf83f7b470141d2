"""An app for workers that are to be killed: it stops them in the middle of telling."""
