"""The matching engine: pure numpy, scipy and scikit-learn; knows no Django and no database."""
