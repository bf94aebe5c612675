"""Small real measurements, a capability each: `evals/suites/base.py` says what a suite is."""
