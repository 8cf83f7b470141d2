"""What `benchmarks.serving` holds the product against: a site of its own, no part of the product."""
