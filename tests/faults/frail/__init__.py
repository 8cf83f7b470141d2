"""An app for workers that are to go wrong: jobs that crash or last, and an ear that goes deaf."""
