"""`python -m tests.bench`: what things cost, as ratios against the usual ways, measured side by side in one run."""
