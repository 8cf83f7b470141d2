"""Directed models learned from answers: pure, additive in the logit, stored as plain arrays.

In reading order: `basis` features -> design, `additive` one direction's curves, `directed` how a model
is chosen and calibrated, `history` what earlier answers tell, `bridge` and `ease` what positives of one
side tell, `mutual` two directions -> one number.
"""
