"""The Django project: wiring at the top of the house, `core` at the bottom.

Stays free of imports: `bootstrap` runs from here before anything is installed.
"""
